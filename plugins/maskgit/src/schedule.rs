//! How many codes are hidden: the cosine schedule of learning and of decoding.
//!
//! Chang et al. 2022, arXiv:2202.04200, section 3.3.

use std::f64::consts::FRAC_PI_2;

/// Codes of `count` that are hidden while learning, for a draw in (0, 1): ⌈cos(π draw / 2) · count⌉, no share below `least`, at
/// least one.
#[must_use]
pub fn hidden_while_learning(count: usize, draw: f64, least: f64) -> usize {
    let share = (FRAC_PI_2 * draw).cos().max(least);
    // Without the tolerance 50 · 0.5 might be a hair above 25.
    ((share * count as f64 - 1e-9).ceil() as usize).clamp(1, count.max(1))
}

/// Codes of `count` that stay hidden after step `step` of `steps`, counted from 1, where `unknown` are hidden before it: at least
/// one is filled, and one stays for the last step, which fills all whatever this says.
#[must_use]
pub fn left_hidden(count: usize, unknown: usize, step: usize, steps: usize) -> usize {
    let left = (count as f64 * (FRAC_PI_2 * step as f64 / steps as f64).cos()).floor() as usize;
    left.min(unknown.saturating_sub(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_cosine() {
        let counts = |count| {
            let mut unknown = count;
            let mut next = |step| {
                unknown = left_hidden(count, unknown, step, 8);
                unknown
            };
            (1..=8).map(&mut next).collect::<Vec<_>>()
        };
        assert_eq!(counts(49), [48, 45, 40, 34, 27, 18, 9, 1]);
        assert_eq!(counts(64), [62, 59, 53, 45, 35, 24, 12, 1]);
        assert_eq!(counts(256), [251, 236, 212, 181, 142, 97, 49, 1]);
    }

    #[test]
    fn learning_hides_at_least_one_and_at_most_all() {
        assert_eq!([0.0, 1.0].map(|draw| hidden_while_learning(49, draw, 0.0)), [49, 1]);
        // cos(π/3) = 1/2.
        assert_eq!(hidden_while_learning(50, 2.0 / 3.0, 0.0), 25);
        assert_eq!(hidden_while_learning(49, 0.999, 0.5), 25);
    }
}
