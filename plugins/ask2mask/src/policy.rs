//! Which rows are hidden: spans that begin where a recogniser is sure, of the same number of rows whatever the policy.
//!
//! Baskar et al. 2022, arXiv:2202.12719, section 3. Spans are laid over the sound in the order of a policy until the share of rows is
//! reached that independent starts would hide on average, so that policies differ in where they hide and in nothing else.

/// In which order rows begin spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Any row as soon as any other.
    Uniform,
    /// The surest first.
    Top,
    /// Drawn one after the other with a probability in proportion to the confidence.
    Weighted,
    /// The surest first for this share of the hidden rows, any for the rest.
    Mix(f64),
    /// The least sure first.
    Low,
}

/// The number of rows to hide of so many: the mean of independent starts of spans, 1 − (1 − p)^span of them, at least one.
#[must_use]
pub fn target(rows: usize, start_probability: f64, span: usize) -> usize {
    let share = 1.0 - (1.0 - start_probability).powf(span as f64);
    ((share * rows as f64).round() as usize).clamp(rows.min(1), rows)
}

/// True where a row of one sound is hidden: `target` rows in spans of `span` (the last one shorter, and those that the end cuts
/// off). `scores` are confidences from 0 to 1, `draws` uniform in (0, 1), one of each for a row.
#[must_use]
pub fn hidden(policy: Policy, scores: &[f64], draws: &[f64], target: usize, span: usize) -> Vec<bool> {
    let mut hidden = Cover { rows: vec![false; scores.len().min(draws.len())], hidden: 0, span };
    // Equal confidences are told apart by the draw, so that constant ones give what uniform starts give.
    let gumbel = |row: usize| -(-draws[row].ln()).ln();
    match policy {
        Policy::Uniform => hidden.extend(target, gumbel),
        // The order of ln s + Gumbel noise is that of draws without repetition in proportion to s.
        Policy::Weighted => hidden.extend(target, |row| scores[row].max(f64::MIN_POSITIVE).ln() + gumbel(row)),
        Policy::Top => hidden.extend_by(target, |row| (scores[row], gumbel(row))),
        Policy::Low => hidden.extend_by(target, |row| (-scores[row], gumbel(row))),
        Policy::Mix(share) => {
            hidden.extend_by((share * target as f64).round() as usize, |row| (scores[row], gumbel(row)));
            hidden.extend(target, gumbel);
        }
    }
    hidden.rows
}

/// Spans laid so far.
struct Cover {
    rows: Vec<bool>,
    hidden: usize,
    span: usize,
}

impl Cover {
    fn extend(&mut self, target: usize, key: impl Fn(usize) -> f64) {
        self.extend_by(target, |row| (key(row), 0.0));
    }

    /// Begins spans at rows by falling key until `target` rows are hidden.
    fn extend_by(&mut self, target: usize, key: impl Fn(usize) -> (f64, f64)) {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (key(*a), key(*b));
            b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
        for start in order {
            let end = (start + self.span).min(self.rows.len());
            for row in &mut self.rows[start..end] {
                if self.hidden >= target {
                    return;
                }
                self.hidden += usize::from(!*row);
                *row = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Policy; 5] = [Policy::Uniform, Policy::Top, Policy::Weighted, Policy::Mix(0.5), Policy::Low];

    /// An LCG is enough to look at shares.
    fn draws(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493);
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
            })
            .collect()
    }

    #[test]
    fn every_policy_hides_as_many_rows() {
        for (rows, seed) in [(1, 1), (7, 2), (50, 3), (200, 4)] {
            let target = target(rows, 0.08, 5);
            for policy in ALL {
                let hidden = hidden(policy, &draws(rows, seed + 100), &draws(rows, seed), target, 5);
                assert_eq!(hidden.iter().filter(|hidden| **hidden).count(), target, "{policy:?} of {rows}");
            }
        }
        assert_eq!(target(0, 0.08, 5), 0);
        // As many as independent starts hide, but for rounding.
        let starts = plugin_api::spans::hidden(&draws(100_000, 9), 0.08, 5).iter().filter(|hidden| **hidden).count();
        assert!((target(100_000, 0.08, 5) as f64 - starts as f64).abs() < 1000.0);
    }

    #[test]
    fn the_same_draws_and_scores_hide_the_same() {
        for policy in ALL {
            let of = |seed| hidden(policy, &draws(60, 1), &draws(60, seed), 20, 4);
            assert_eq!(of(2), of(2));
        }
        assert_ne!(
            hidden(ALL[0], &draws(60, 1), &draws(60, 2), 20, 4),
            hidden(ALL[0], &draws(60, 1), &draws(60, 3), 20, 4)
        );
    }

    #[test]
    fn constant_scores_give_uniform_starts() {
        // One span of one row, so that the hidden row is the start: χ² over 20 places, 19 degrees of freedom, 43.8 at 0.1 %.
        for policy in ALL {
            let (mut counts, runs) = ([0_u32; 20], 4000);
            for run in 0..runs {
                let own = hidden(policy, &[0.7; 20], &draws(20, run), 1, 1);
                counts[own.iter().position(|hidden| *hidden).expect("a hidden row")] += 1;
                assert_eq!(own, hidden(Policy::Uniform, &[0.2; 20], &draws(20, run), 1, 1), "{policy:?}");
            }
            let expected = runs as f64 / 20.0;
            let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
            assert!(chi < 43.8, "{policy:?}: {chi} of {counts:?}");
        }
    }

    #[test]
    fn draws_go_by_the_scores() {
        // Of two rows with 0.9 and 0.3 the first begins three times in four.
        let first = (0..4000).filter(|run| hidden(Policy::Weighted, &[0.9, 0.3], &draws(2, *run), 1, 1)[0]).count();
        assert!((2900..3100).contains(&first), "{first}");
    }

    #[test]
    fn a_ramp_is_hidden_where_it_is_highest_or_lowest() {
        let ramp: Vec<f64> = (0..40).map(|row| f64::from(row) / 40.0).collect();
        let of = |policy| {
            let hidden = hidden(policy, &ramp, &draws(40, 5), 10, 4);
            (0..40).filter(|row| hidden[*row]).collect::<Vec<_>>()
        };
        // Starts at 39, 38, … each hide one row more than before: 30 to 39.
        assert_eq!(of(Policy::Top), (30..40).collect::<Vec<_>>());
        assert_eq!(of(Policy::Low), (0..10).collect::<Vec<_>>());
        let half = of(Policy::Mix(0.5));
        assert!((35..40).all(|row| half.contains(&row)) && half.len() == 10, "{half:?}");
    }
}
