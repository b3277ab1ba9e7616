//! Which tokens of an input are hidden: a pure function of uniform draws.

use std::ops::Range;

/// `max(1, ⌊rate · n⌋)` of the n positions of `range`, ascending, none where the rate is 0 or the range empty: those with
/// the smallest draws, `draws` having one for each position of the sample.
///
/// n is the whole sample as the paper's code counts it where `range` leaves out only the sample's last position.
///
/// # Panics
/// When a position of the range has no draw.
#[must_use]
pub fn hidden(range: Range<usize>, rate: f64, draws: &[f64]) -> Vec<usize> {
    if rate <= 0.0 || range.is_empty() {
        return Vec::new();
    }
    let whole = range.len() + 1;
    let count = ((rate * whole as f64) as usize).clamp(1, range.len());
    let mut positions: Vec<usize> = range.collect();
    positions.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]).then(a.cmp(b)));
    positions.truncate(count);
    positions.sort_unstable();
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(count: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * 7919 + 13) % 10007) as f64 / 10007.0).collect()
    }

    #[test]
    fn the_share_of_the_paper_hides_614_of_4096_and_never_the_last() {
        let gaps = hidden(0..4095, 0.15, &draws(4096));
        assert_eq!(gaps.len(), 614);
        assert!(gaps.windows(2).all(|pair| pair[0] < pair[1]) && gaps.iter().all(|&position| position < 4095));
    }

    #[test]
    fn at_least_one_is_hidden_and_none_at_rate_0() {
        assert_eq!(hidden(0..5, 0.01, &draws(6)).len(), 1);
        assert!(hidden(0..5, 0.0, &draws(6)).is_empty());
        assert!(hidden(0..0, 0.5, &[]).is_empty());
    }

    #[test]
    fn only_the_range_is_hidden() {
        let gaps = hidden(10..70, 0.1, &draws(80));
        // max(1, ⌊0.1 · 61⌋): the answer with its end.
        assert_eq!(gaps.len(), 6);
        assert!(gaps.iter().all(|position| (10..70).contains(position)));
    }
}
