//! The paired permutation test: signs of differences exchanged.

use philox::Key;

use super::mean;

/// Up to so many pairs all exchanges of signs are tried; above, 10,000 are drawn.
pub const EXACT_PAIRS: usize = 12;
const DRAWS: u64 = 10_000;

/// The two-sided p-value: the share of sign exchanges whose mean difference is at least as far from 0 as the measured one
/// (Fisher 1935, "The design of experiments", section 21). Drawn ones count the measured one among them (Phipson and Smyth
/// 2010), so that no p-value is 0. None without differences or where one is not finite.
#[must_use]
pub fn permutation_test(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() || differences.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // Differences of 0 change nothing whatever their sign; leaving them out keeps broken items few.
    let count = differences.len() as f64;
    let moving: Vec<f64> =
        differences.iter().copied().filter(|value| *value != 0.0).map(|value| value / count).collect();
    let measured = mean(differences).abs();
    // Sums in another order differ in their last bits: those count as equal.
    let least = measured - 1e-12 * moving.iter().map(|value| value.abs()).sum::<f64>();
    let pairs = moving.len();
    if pairs <= EXACT_PAIRS {
        let all = 1u32 << pairs;
        let far = (0..all).filter(|signs| {
            let sum: f64 = moving.iter().enumerate().map(|(at, value)| signed(*value, signs >> at)).sum();
            sum.abs() >= least
        });
        return Some(far.count() as f64 / f64::from(all));
    }
    let key = Key::root(0).stream("permutation");
    let far = (0..DRAWS).filter(|draw| {
        let draw = key.at(*draw);
        let sum: f64 = moving
            .chunks(128)
            .enumerate()
            .map(|(chunk, values)| {
                let words = draw.words(chunk as u64);
                values.iter().enumerate().map(|(at, value)| signed(*value, words[at / 32] >> (at % 32))).sum::<f64>()
            })
            .sum();
        sum.abs() >= least
    });
    Some((far.count() as f64 + 1.0) / (DRAWS as f64 + 1.0))
}

fn signed(value: f64, bits: u32) -> f64 {
    if bits & 1 == 1 { -value } else { value }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_system_against_itself_and_against_one_with_broken_items() {
        assert_eq!(permutation_test(&[0.0; 1000]), Some(1.0));
        let mut broken = [0.0; 1000];
        broken[..100].fill(1.0);
        assert!(permutation_test(&broken).unwrap() < 0.001);
        assert_eq!(permutation_test(&[]), None);
        assert_eq!(permutation_test(&[f64::NAN]), None);
    }

    #[test]
    fn few_pairs_are_counted_exactly() {
        assert_eq!(permutation_test(&[0.5, 0.3, 0.1]), Some(0.25));
        assert_eq!(permutation_test(&[1.0; 5]), Some(2.0 / 32.0));
        assert_eq!(permutation_test(&[1.0, -1.0]), Some(1.0));
    }

    #[test]
    fn noise_is_significant_as_often_as_it_should_be() {
        let found = (0..200).filter(|trial| {
            let draws = Key::root(*trial).stream("noise");
            let values: Vec<f64> = (0..20).map(|at| draws.normal(at)).collect();
            permutation_test(&values).unwrap() < 0.05
        });
        let found = found.count();
        assert!((2..=20).contains(&found), "{found} of 200");
    }
}
