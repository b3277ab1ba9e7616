//! Clusters of tokens and the counts of errors between them: which replacements are hard to notice.
//!
//! Di Liello et al. 2022, "Effective pretraining objectives for transformer-based autoencoders", arXiv:2210.13536, section 3
//! (C-RTS).

/// What belongs to no cluster: special tokens.
pub const NONE: u32 = u32::MAX;

/// The cluster of each token, and the tokens of each cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// By token id; [`NONE`] for special tokens.
    pub of_token: Vec<u32>,
    /// Token ids by cluster, ascending; some may be empty.
    pub members: Vec<Vec<u32>>,
}

impl Clusters {
    /// From the cluster of each token.
    #[must_use]
    pub fn new(of_token: Vec<u32>, count: usize) -> Self {
        let mut members = vec![Vec::new(); count];
        for (token, &cluster) in of_token.iter().enumerate() {
            if let Some(members) = members.get_mut(cluster as usize) {
                members.push(token as u32);
            }
        }
        Self { of_token, members }
    }

    /// Runs of ids of equal size. Tokenizers number what they learn by falling frequency, so that these are classes of
    /// frequency.
    #[must_use]
    pub fn of_ids(size: usize, ordinary: &[u32], count: usize) -> Self {
        let mut of_token = vec![NONE; size];
        for (rank, &token) in ordinary.iter().enumerate() {
            of_token[token as usize] = (rank * count / ordinary.len()) as u32;
        }
        Self::new(of_token, count)
    }

    /// By k-means over embeddings `[v, d]`, row by row: Lloyd's algorithm from evenly spaced tokens, ten rounds.
    #[must_use]
    pub fn of_embeddings(embeddings: &[f32], ordinary: &[u32], count: usize, size: usize) -> Self {
        let width = embeddings.len() / size.max(1);
        let row = |token: u32| &embeddings[token as usize * width..(token as usize + 1) * width];
        let mut centres: Vec<Vec<f32>> =
            (0..count).map(|number| row(ordinary[number * ordinary.len() / count]).to_vec()).collect();
        let mut of_token = vec![NONE; size];
        for _ in 0..10 {
            for &token in ordinary {
                of_token[token as usize] = nearest(row(token), &centres) as u32;
            }
            for (number, centre) in centres.iter_mut().enumerate() {
                let own: Vec<u32> =
                    ordinary.iter().copied().filter(|&token| of_token[token as usize] == number as u32).collect();
                if !own.is_empty() {
                    centre.fill(0.0);
                    for token in &own {
                        centre.iter_mut().zip(row(*token)).for_each(|(sum, part)| *sum += part / own.len() as f32);
                    }
                }
            }
        }
        Self::new(of_token, count)
    }

    /// How many clusters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The probability of each cluster to give the replacement of a token of cluster `from`: softmax of β times the row of
    /// `counts` `[k, k]`, scaled to 0..1. An empty cluster has none.
    #[must_use]
    pub fn shares(&self, counts: &[f32], from: usize, beta: f64) -> Vec<f64> {
        let row = &counts[from * self.len()..(from + 1) * self.len()];
        let (low, high) =
            row.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
        let range = if high > low { f64::from(high - low) } else { 1.0 };
        let weight = |(number, &count): (usize, &f32)| match self.members[number].is_empty() {
            true => 0.0,
            false => (beta * f64::from(count - low) / range).exp(),
        };
        let weights: Vec<f64> = row.iter().enumerate().map(weight).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / total).collect()
    }

    /// A replacement for a token of cluster `from`, from two uniform draws: a cluster, then any of its tokens.
    #[must_use]
    pub fn replacement(&self, shares: &[f64], draws: [f64; 2]) -> u32 {
        let (mut sum, mut chosen) = (0.0, 0);
        for (number, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            sum += share;
            chosen = number;
            if draws[0] < sum {
                break;
            }
        }
        let members = &self.members[chosen];
        members[((draws[1] * members.len() as f64) as usize).min(members.len() - 1)]
    }

    /// The change of the counts after a batch: +1 for each token wrongly classified, −1 for each rightly, at the pair of
    /// clusters (original, shown). Pairs that come several times count several times.
    #[must_use]
    pub fn change(&self, original: &[u32], shown: &[u32], right: &[bool], only_changed: bool) -> Vec<f32> {
        let mut change = vec![0.0; self.len() * self.len()];
        for ((&original, &shown), &right) in original.iter().zip(shown).zip(right) {
            let (from, to) = (self.of_token[original as usize], self.of_token[shown as usize]);
            if from != NONE && to != NONE && !(only_changed && original == shown) {
                change[from as usize * self.len() + to as usize] += if right { -1.0 } else { 1.0 };
            }
        }
        change
    }
}

fn nearest(row: &[f32], centres: &[Vec<f32>]) -> usize {
    let distance = |centre: &Vec<f32>| row.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let mut best = (0, f32::INFINITY);
    for (number, centre) in centres.iter().enumerate() {
        let distance = distance(centre);
        if distance < best.1 {
            best = (number, distance);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens 0 and 1 are special; clusters {2, 3}, {4, 5}, {6, 7, 8}.
    fn three() -> Clusters {
        Clusters::new(vec![NONE, NONE, 0, 0, 1, 1, 2, 2, 2], 3)
    }

    #[test]
    fn with_equal_counts_all_clusters_are_equally_likely() {
        let shares = three().shares(&[1.0; 9], 1, 2.0);
        assert!(shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 1e-12));
    }

    #[test]
    fn an_update_by_hand() {
        let clusters = three();
        // Originals 2, 3, 4, 6, 6, 0 shown as 4, 5, 4, 2, 2, 0: two swaps from cluster 0 to 1, one wrong and one right; 4
        // was kept and taken for a swap; 6 twice to cluster 0, both missed; a special token counts nowhere.
        let (original, shown) = ([2, 3, 4, 6, 6, 0], [4, 5, 4, 2, 2, 0]);
        let right = [false, true, false, false, false, true];
        #[rustfmt::skip]
        let expected = [
            0.0, 0.0, 0.0,
            0.0, 1.0, 0.0,
            2.0, 0.0, 0.0,
        ];
        assert_eq!(clusters.change(&original, &shown, &right, false), expected);
        assert_eq!(clusters.change(&original, &shown, &right, true)[4], 0.0);

        let counts: Vec<f32> = expected.iter().map(|change| 1.0 + change).collect();
        // Row 2 is [3, 1, 1], scaled [1, 0, 0], β = 2.
        let shares = clusters.shares(&counts, 2, 2.0);
        let total = 2_f64.exp() + 2.0;
        assert!((shares[0] - 2_f64.exp() / total).abs() < 1e-12 && (shares[1] - 1.0 / total).abs() < 1e-12);
    }

    #[test]
    fn replacements_come_from_the_drawn_cluster_and_never_from_an_empty_one() {
        let clusters = three();
        let shares = [0.2, 0.3, 0.5];
        assert_eq!(clusters.replacement(&shares, [0.1, 0.9]), 3);
        assert_eq!(clusters.replacement(&shares, [0.4, 0.0]), 4);
        assert_eq!(clusters.replacement(&shares, [0.9999, 0.9999]), 8);
        let holes = Clusters::new(vec![0, 2], 3);
        assert_eq!(holes.shares(&[1.0; 9], 0, 2.0), [0.5, 0.0, 0.5]);
    }

    #[test]
    fn ids_are_divided_evenly() {
        let clusters = Clusters::of_ids(10, &[2, 3, 4, 5, 6, 7], 3);
        assert_eq!(clusters.members, [vec![2, 3], vec![4, 5], vec![6, 7]]);
        assert_eq!((clusters.of_token[0], clusters.of_token[9]), (NONE, NONE));
    }

    #[test]
    fn neighbours_among_embeddings_share_a_cluster() {
        let embeddings = [9.0, 9.0, 0.0, 0.1, 5.0, 5.0, 0.1, 0.0, 5.1, 5.0, 5.0, 5.2];
        let clusters = Clusters::of_embeddings(&embeddings, &[1, 2, 3, 4, 5], 2, 6);
        assert_eq!(clusters.members, [vec![2, 4, 5], vec![1, 3]]);
        assert_eq!(clusters.of_token[0], NONE);
    }
}
