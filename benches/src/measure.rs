//! Medians.

use std::time::Instant;

/// The middle of the numbers, the higher one of two; 0 without any.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

/// Nanoseconds that each of two works takes: medians of `rounds` rounds of `times` calls, turn by turn, so that what
/// disturbs the machine disturbs both.
pub fn side_by_side(rounds: usize, times: u32, mut one: impl FnMut(), mut other: impl FnMut()) -> (f64, f64) {
    let mut spent = (Vec::new(), Vec::new());
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        let both = (nanoseconds(times, &mut one), nanoseconds(times, &mut other));
        if round > 0 {
            spent.0.push(both.0);
            spent.1.push(both.1);
        }
    }
    (median(spent.0), median(spent.1))
}

fn nanoseconds(times: u32, work: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..times).for_each(|_| work());
    started.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 3.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn works_take_turns() {
        let turns = std::cell::RefCell::new(String::new());
        let _ = side_by_side(1, 2, || turns.borrow_mut().push('a'), || turns.borrow_mut().push('b'));
        assert_eq!(turns.into_inner(), "aabbaabb");
    }
}
