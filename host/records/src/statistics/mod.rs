//! What repeated measurements tell: means, paired intervals, paired tests, corrections, effect sizes, ranks.
//!
//! All of it is pure, and random draws come from a fixed key: the same numbers give the same answer everywhere.

mod beta;
mod bootstrap;
mod effect;
mod holm;
mod permutation;
mod ranks;
mod student;

pub use bootstrap::interval;
pub use effect::{cohen_d, hedges_g};
pub use holm::holm;
pub use permutation::{EXACT_PAIRS, permutation_test};
pub use ranks::average_ranks;
pub use student::paired_t_test;

/// The mean, without overflow of the sum; NaN of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let count = values.len() as f64;
    values.iter().map(|value| value / count).sum()
}

/// The standard deviation of a sample (n − 1 in the denominator); none below two values.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    // Equal values have none, whatever the rounding of their mean.
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return Some(0.0);
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre) * (value - centre)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// What one sign in all values means: 1 when all are above 0, −1 when all are below, 0 otherwise.
#[must_use]
pub fn common_sign(values: &[f64]) -> i8 {
    if values.is_empty() {
        0
    } else if values.iter().all(|value| *value > 0.0) {
        1
    } else if values.iter().all(|value| *value < 0.0) {
        -1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations() {
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert!(mean(&[]).is_nan());
        assert!((mean(&[f64::MAX, f64::MAX]) / f64::MAX - 1.0).abs() < 1e-12);
        assert_eq!(deviation(&[1.0]), None);
        assert_eq!(deviation(&[0.1; 7]), Some(0.0));
        assert!(
            deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).is_some_and(|sd| (sd - 2.138_089_935).abs() < 1e-9)
        );
    }

    #[test]
    fn a_sign_is_common_or_there_is_none() {
        assert_eq!(common_sign(&[0.1, 2.0]), 1);
        assert_eq!(common_sign(&[-0.1, -2.0]), -1);
        for none in [&[][..], &[0.0, 1.0], &[1.0, -1.0], &[f64::NAN, 1.0]] {
            assert_eq!(common_sign(none), 0);
        }
    }
}
