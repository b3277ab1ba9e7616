//! How varied sequences are: entropies of their tokens.

use std::collections::BTreeMap;

/// Entropies in nats.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Entropy {
    /// Of the tokens of all sequences together.
    pub unigram: f64,
    /// The mean over the sequences, each by itself (Zheng et al. 2024, arXiv:2409.02908, section 5).
    pub sentence: f64,
}

/// The entropies of some sequences; 0 without tokens.
#[must_use]
pub fn entropy(sequences: &[Vec<u32>]) -> Entropy {
    let filled: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).filter(|tokens| !tokens.is_empty()).collect();
    let mean = filled.iter().map(|tokens| of_tokens(tokens)).sum::<f64>() / filled.len().max(1) as f64;
    Entropy { unigram: of_tokens(&filled.concat()), sentence: mean }
}

fn of_tokens(tokens: &[u32]) -> f64 {
    let mut counts = BTreeMap::<u32, u64>::new();
    tokens.iter().for_each(|token| *counts.entry(*token).or_default() += 1);
    let share = |count: &u64| *count as f64 / tokens.len() as f64;
    counts.values().map(|count| -share(count) * share(count).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_of_all_tokens_and_of_each_sequence() {
        let found = entropy(&[vec![1, 1], vec![2, 3], vec![]]);
        assert!((found.sentence - 2_f64.ln() / 2.0).abs() < 1e-12);
        assert!((found.unigram - 1.5 * 2_f64.ln()).abs() < 1e-12);
        assert_eq!(entropy(&[]), Entropy::default());
    }
}
