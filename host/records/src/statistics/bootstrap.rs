//! The paired bootstrap: how far a mean difference could lie elsewhere.

use philox::Key;

/// The 95 % percentile interval of the mean of paired differences (Efron 1979, "Bootstrap methods: another look at the
/// jackknife"): each of 10,000 draws (fewer above 1,000 values, at least 1,000) takes as many of the values, with
/// replacement. None below two values or where one is not finite.
///
/// The same values and key give the same interval everywhere.
#[must_use]
pub fn interval(values: &[f64], key: Key) -> Option<(f64, f64)> {
    if values.len() < 2 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // Long series are tight anyway; the work stays within a second.
    let draws = (20_000_000 / values.len()).clamp(1_000, 10_000);
    let mut means: Vec<f64> = (0..draws)
        .map(|draw| {
            let key = key.at(draw as u64);
            let count = values.len() as u64;
            let sum: f64 = (0..count).map(|index| values[key.below(index, count) as usize] / count as f64).sum();
            sum
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    Some((quantile(&means, 0.025), quantile(&means, 0.975)))
}

/// Linear interpolation between order statistics.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let below = sorted[at.floor() as usize];
    let above = sorted[at.ceil() as usize];
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::mean;
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_normal_law_for_many_values() {
        let draws = Key::root(7).stream("values");
        let values: Vec<f64> = (0..400).map(|index| 0.3 + draws.normal(index)).collect();
        let (low, high) = interval(&values, Key::root(1)).unwrap();
        let centre = mean(&values);
        // 1.96 standard errors of a mean of 400.
        assert!((centre - low - 0.098).abs() < 0.012 && (high - centre - 0.098).abs() < 0.012, "{low} {centre} {high}");
        assert_eq!(interval(&values, Key::root(1)), Some((low, high)));
    }

    #[test]
    fn it_covers_the_truth_about_as_often_as_it_says() {
        let covered = (0..200)
            .filter(|trial| {
                let draws = Key::root(*trial).stream("coverage");
                let values: Vec<f64> = (0..40).map(|index| draws.normal(index)).collect();
                let (low, high) = interval(&values, Key::root(*trial)).unwrap();
                low <= 0.0 && 0.0 <= high
            })
            .count();
        assert!((178..=199).contains(&covered), "{covered} of 200");
    }

    #[test]
    fn constant_differences_have_no_width_and_one_value_has_no_interval() {
        let (low, high) = interval(&[0.5; 8], Key::root(1)).unwrap();
        assert_eq!((low, high), (0.5, 0.5));
        assert_eq!(interval(&[0.5], Key::root(1)), None);
    }
}
