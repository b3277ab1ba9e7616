//! Student's t test of paired differences.

use super::beta::incomplete_beta;
use super::{deviation, mean};

/// The two-sided p-value of a mean difference of 0 (Student 1908); 1 where all differences are 0, 0 where all are the same
/// other number; none below two differences or where one is not finite.
#[must_use]
pub fn paired_t_test(differences: &[f64]) -> Option<f64> {
    if differences.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let spread = deviation(differences)?;
    let centre = mean(differences);
    if spread == 0.0 {
        return Some(if centre == 0.0 { 1.0 } else { 0.0 });
    }
    let freedom = (differences.len() - 1) as f64;
    let t = centre / (spread / (differences.len() as f64).sqrt());
    Some(incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t)))
}
