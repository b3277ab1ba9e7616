//! Which token comes next: rules over one row of logits.

use philox::Key;

use crate::error::{Error, Result};

/// How a token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The likeliest, the first of equals.
    Greedy,
    /// Drawn from softmax(logits / temperature), cut to the likeliest.
    Random {
        /// Above 0; below 1 prefers likely tokens.
        temperature: f64,
        /// At most so many tokens (Fan et al. 2018, arXiv:1805.04833, section 5.2).
        top_k: Option<usize>,
        /// The fewest tokens that hold this share between them, among those that `top_k` leaves (Holtzman et al. 2020,
        /// arXiv:1904.09751, section 3.1).
        top_p: Option<f64>,
    },
}

impl Sampling {
    /// The rule, once its numbers are in their ranges; temperature 0 is greedy.
    ///
    /// # Errors
    /// When a number is outside its range.
    pub fn new(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Result<Self> {
        let refuse = |what: String, help: &str| Err(Error::new("config/range", what).with_help(help));
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return refuse(format!("the temperature is {temperature}"), "give a number from 0, where 0 is greedy");
        }
        if top_k == Some(0) {
            return refuse("top-k is 0".into(), "keep at least one token");
        }
        if let Some(share) = top_p.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
            return refuse(format!("top-p is {share}"), "give a share above 0, at most 1");
        }
        Ok(if temperature == 0.0 { Self::Greedy } else { Self::Random { temperature, top_k, top_p } })
    }
}

/// Chooses tokens by a rule; keeps its memory from row to row.
pub struct Sampler {
    rule: Sampling,
    shares: Vec<f32>,
    order: Vec<u32>,
}

impl Sampler {
    /// A sampler of this rule.
    #[must_use]
    pub fn new(rule: Sampling) -> Self {
        Self { rule, shares: Vec::new(), order: Vec::new() }
    }

    /// A token for one row of logits `[v]`, none of them NaN; the draw is number 0 of `key`.
    pub fn choose(&mut self, logits: &[f32], key: Key) -> u32 {
        let Sampling::Random { temperature, top_k, top_p } = self.rule else { return greedy(logits) };
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let factor = (1.0 / temperature) as f32;
        self.shares.clear();
        self.shares.extend(logits.iter().map(|logit| ((logit - highest) * factor).exp()));
        let draw = key.uniform(0);
        let top_k = top_k.filter(|count| *count < logits.len());
        if top_k.is_none() && top_p.is_none_or(|share| share >= 1.0) {
            return drawn(self.shares.iter().copied().enumerate(), draw);
        }
        self.cut(top_k.unwrap_or(logits.len()), top_p.unwrap_or(1.0));
        let kept = self.order.iter().map(|id| (*id as usize, self.shares[*id as usize]));
        drawn(kept, draw)
    }

    /// Leaves in `order` the likeliest tokens, likeliest first: at most `count`, the fewest that hold `share` of those.
    fn cut(&mut self, count: usize, share: f64) {
        let Self { shares, order, .. } = self;
        let before = |a: &u32, b: &u32| shares[*b as usize].total_cmp(&shares[*a as usize]).then(a.cmp(b));
        order.clear();
        order.extend(0..shares.len() as u32);
        if count < order.len() {
            order.select_nth_unstable_by(count - 1, before);
            order.truncate(count);
        }
        let total: f64 = order.iter().map(|id| f64::from(shares[*id as usize])).sum();
        // Sorting all of a large vocabulary for the few that count would cost more than the model.
        let (mut sorted, mut held, mut kept) = (0, 0.0, 0);
        while kept < order.len() {
            if kept == sorted {
                let more = (2 * sorted).max(64).min(order.len() - sorted);
                let rest = &mut order[sorted..];
                if more < rest.len() {
                    rest.select_nth_unstable_by(more - 1, before);
                }
                rest[..more].sort_unstable_by(before);
                sorted += more;
            }
            held += f64::from(shares[order[kept] as usize]);
            kept += 1;
            if share < 1.0 && held >= share * total {
                break;
            }
        }
        order.truncate(kept);
    }
}

fn greedy(logits: &[f32]) -> u32 {
    let better = |best: (usize, f32), next: (usize, &f32)| if *next.1 > best.1 { (next.0, *next.1) } else { best };
    logits.iter().enumerate().fold((0, f32::NEG_INFINITY), better).0 as u32
}

/// The token at which the running sum of shares passes `draw` of their total.
fn drawn(shares: impl Iterator<Item = (usize, f32)> + Clone, draw: f64) -> u32 {
    let total: f64 = shares.clone().map(|(_, share)| f64::from(share)).sum();
    let (mut sum, mut last) = (0.0, 0);
    for (id, share) in shares.filter(|(_, share)| *share > 0.0) {
        sum += f64::from(share);
        last = id;
        if sum > draw * total {
            break;
        }
    }
    last as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Probabilities 0.1, 0.4, 0.2, 0.3.
    fn logits() -> Vec<f32> {
        [0.1_f32, 0.4, 0.2, 0.3].iter().map(|share| share.ln()).collect()
    }

    fn random(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampler {
        Sampler::new(Sampling::new(temperature, top_k, top_p).unwrap())
    }

    /// How often each token comes in 20,000 draws.
    fn shares(sampler: &mut Sampler, logits: &[f32]) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        for draw in 0..20_000 {
            counts[sampler.choose(logits, Key::root(1).at(draw)) as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn near(found: &[f64], expected: &[f64]) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 0.012 && (*b > 0.0 || *a == 0.0), "{found:?}, not {expected:?}");
        }
    }

    #[test]
    fn the_likeliest_token_and_the_first_of_equals() {
        assert_eq!(Sampler::new(Sampling::Greedy).choose(&logits(), Key::root(0)), 1);
        assert_eq!(random(0.0, None, None).choose(&[1.0, 3.0, 3.0], Key::root(0)), 1);
    }

    #[test]
    fn draws_have_the_probabilities_of_the_rule() {
        near(&shares(&mut random(1.0, None, None), &logits()), &[0.1, 0.4, 0.2, 0.3]);
        // Squares: 0.01, 0.16, 0.04, 0.09 of 0.3.
        near(&shares(&mut random(0.5, None, None), &logits()), &[1. / 30., 16. / 30., 4. / 30., 9. / 30.]);
        near(&shares(&mut random(1.0, Some(2), None), &logits()), &[0.0, 4. / 7., 0.0, 3. / 7.]);
        // 0.4 + 0.3 reach 0.65; 0.4 alone does not.
        near(&shares(&mut random(1.0, None, Some(0.65)), &logits()), &[0.0, 4. / 7., 0.0, 3. / 7.]);
        // Of the three that top-k leaves, 4/9 + 3/9 reach 0.7.
        near(&shares(&mut random(1.0, Some(3), Some(0.7)), &logits()), &[0.0, 4. / 7., 0.0, 3. / 7.]);
        near(&shares(&mut random(1.0, Some(9), Some(1.0)), &logits()), &[0.1, 0.4, 0.2, 0.3]);
        near(&shares(&mut random(1.0, None, Some(0.001)), &logits()), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_large_vocabulary_is_cut_as_a_sorted_one() {
        // Far enough apart to stay apart in f32.
        let logits: Vec<f32> = Key::root(5).permutation(5000).into_iter().map(|rank| rank as f32 * 0.002).collect();
        let mut order: Vec<u32> = (0..5000).collect();
        order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
        for (count, share) in [(5000, 0.9), (1000, 0.5), (70, 1.0), (1, 0.3)] {
            let mut sampler = random(1.0, Some(count), Some(share));
            let _ = sampler.choose(&logits, Key::root(0));
            sampler.cut(count, share);
            let exp = |id: &u32| f64::from(logits[*id as usize]).exp();
            let total: f64 = order[..count].iter().map(exp).sum();
            let mut held = 0.0;
            let kept = order[..count].iter().position(|id| {
                held += exp(id);
                share < 1.0 && held >= share * total
            });
            assert_eq!(sampler.order, order[..kept.map_or(count, |last| last + 1)], "top-k {count}, top-p {share}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert!(Sampling::new(-1.0, None, None).is_err() && Sampling::new(f64::NAN, None, None).is_err());
        assert!(Sampling::new(1.0, Some(0), None).is_err());
        assert!(Sampling::new(1.0, None, Some(0.0)).is_err() && Sampling::new(1.0, None, Some(1.5)).is_err());
        assert_eq!(Sampling::new(0.0, Some(3), None).unwrap(), Sampling::Greedy);
    }
}
