//! Effect sizes of paired differences.

use super::beta::ln_gamma;
use super::{deviation, mean};

/// Cohen's d of paired samples: mean difference over the standard deviation of the differences (Cohen 1988, section 2.3.5);
/// none below two differences, infinite where all are the same number but 0.
#[must_use]
pub fn cohen_d(differences: &[f64]) -> Option<f64> {
    let spread = deviation(differences)?;
    let centre = mean(differences);
    Some(if centre == 0.0 { 0.0 } else { centre / spread })
}

/// Cohen's d without its bias in small samples (Hedges 1981, with the exact factor of gamma functions).
#[must_use]
pub fn hedges_g(differences: &[f64]) -> Option<f64> {
    let freedom = differences.len().checked_sub(1)? as f64;
    let d = cohen_d(differences)?;
    // With one degree of freedom the factor has no value.
    if freedom < 2.0 {
        return None;
    }
    let factor = (ln_gamma(freedom / 2.0) - ln_gamma((freedom - 1.0) / 2.0)).exp() / (freedom / 2.0).sqrt();
    Some(d * factor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn small_samples_are_corrected() {
        let differences = [0.2, 0.4, 0.1, 0.5, 0.3];
        let d = cohen_d(&differences).unwrap();
        assert!((d - 0.3 / 0.158_113_883).abs() < 1e-8);
        // For four degrees of freedom the factor is 0.7979.
        assert!((hedges_g(&differences).unwrap() / d - 0.797_885).abs() < 1e-6);
        assert_eq!(cohen_d(&[0.0, 0.0]), Some(0.0));
        assert_eq!(cohen_d(&[1.0]), None);
        assert_eq!(hedges_g(&[1.0, 2.0]), None);
    }
}
