//! Which rows are hidden: spans of equal length from random starts.
//!
//! Hsu et al. 2021, arXiv:2106.07447, section III-A, after Baevski et al. 2020, arXiv:2006.11477.

/// True where a row is hidden: each row whose draw is below `start_probability` begins a span of `length` rows; spans may
/// overlap and end with the sound.
#[must_use]
pub fn hidden(draws: &[f64], start_probability: f64, length: usize) -> Vec<bool> {
    let mut left = 0;
    draws
        .iter()
        .map(|draw| {
            left = if *draw < start_probability { length } else { left.saturating_sub(1) };
            left > 0
        })
        .collect()
}

/// As [`hidden`], but where no draw begins a span the lowest one does.
#[must_use]
pub fn at_least_one(draws: &[f64], start_probability: f64, length: usize) -> Vec<bool> {
    let lowest = draws.iter().copied().fold(f64::INFINITY, f64::min);
    hidden(draws, start_probability.max(lowest.next_up()), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_overlap_and_end_with_the_sound() {
        let draws = [0.9, 0.01, 0.9, 0.02, 0.9, 0.9, 0.9, 0.9, 0.03];
        let expected = [false, true, true, true, true, true, false, false, true];
        assert_eq!(hidden(&draws, 0.08, 3), expected);
    }

    #[test]
    fn one_span_is_there_whatever_is_drawn() {
        assert_eq!(at_least_one(&[0.9, 0.5, 0.7], 0.08, 2), [false, true, true]);
        assert_eq!(at_least_one(&[0.01, 0.5, 0.7], 0.08, 1), hidden(&[0.01, 0.5, 0.7], 0.08, 1));
        assert!(at_least_one(&[], 0.08, 2).is_empty());
    }

    #[test]
    fn the_hidden_share_is_that_of_independent_starts() {
        // 1 − (1 − p)^l, but for the first l − 1 rows of a sound. An LCG is enough to look at shares.
        let mut state = 1_u64;
        let draws: Vec<f64> = (0..200_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            })
            .collect();
        let share = hidden(&draws, 0.08, 10).iter().filter(|hidden| **hidden).count() as f64 / draws.len() as f64;
        assert!((share - (1.0 - 0.92_f64.powi(10))).abs() < 0.01, "{share}");
    }
}
