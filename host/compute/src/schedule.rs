//! Learning rates as pure functions of the step.

use crate::{Error, Result};

/// The course of the rate after warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Course {
    /// Stays at the peak.
    Constant,
    /// Falls in a straight line to the final share at the last step.
    Linear,
    /// Falls along half a cosine to the final share (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts).
    Cosine,
    /// Warm-up, stable, decay: stays at the peak and falls in a straight line over the last `decay_share` of all steps
    /// (Hu et al. 2024, arXiv:2404.06395, section 4; they decay exponentially).
    Wsd {
        /// Share of all steps, 0 to 1.
        decay_share: f64,
    },
    /// Peak · √(warm-up steps / step), not below the final share (Vaswani et al. 2017, arXiv:1706.03762, section 5.3).
    InverseSqrt,
}

/// Names of the courses, for settings and errors.
pub const COURSES: [&str; 5] = ["constant", "linear", "cosine", "wsd", "inverse_sqrt"];

impl Course {
    /// The course called `name`; `wsd` decays over the last fifth.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "constant" => Self::Constant,
            "linear" => Self::Linear,
            "cosine" => Self::Cosine,
            "wsd" => Self::Wsd { decay_share: 0.2 },
            "inverse_sqrt" => Self::InverseSqrt,
            _ => {
                let fact = format!("there is no schedule `{name}`; there are {}", COURSES.join(", "));
                return Err(Error::argument("schedule", fact));
            }
        })
    }
}

/// A learning rate schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The largest rate, reached by the last step of warm-up.
    pub peak: f64,
    /// Steps over which the rate rises in a straight line, 0 for none.
    pub warmup_steps: u64,
    /// What is left of the peak at the end, 0 to 1.
    pub final_share: f64,
    /// The course after warm-up.
    pub course: Course,
}

impl Schedule {
    /// The rate of step `step` (from 0) of `total`.
    ///
    /// Warm-up gives `(step + 1) / warmup_steps` of the peak, so that no step has rate 0. Past `total` the rate stays at
    /// its end. Where warm-up is as long as the run, there is warm-up only.
    #[must_use]
    pub fn learning_rate(&self, step: u64, total: u64) -> f64 {
        let warmup = self.warmup_steps;
        if step < warmup {
            return self.peak * (step + 1) as f64 / warmup as f64;
        }
        // The share of the way from `from` to `total`.
        let progress = |from: f64| {
            let length = total as f64 - from;
            if length <= 0.0 { 1.0 } else { ((step as f64 - from) / length).clamp(0.0, 1.0) }
        };
        let fallen = |height: f64| self.final_share + (1.0 - self.final_share) * height;
        let share = match self.course {
            Course::Constant => 1.0,
            Course::Linear => fallen(1.0 - progress(warmup as f64)),
            Course::Cosine => fallen(0.5 * (1.0 + (std::f64::consts::PI * progress(warmup as f64)).cos())),
            Course::Wsd { decay_share } => {
                let from = ((1.0 - decay_share) * total as f64).max(warmup as f64);
                fallen(1.0 - progress(from))
            }
            Course::InverseSqrt => (warmup.max(1) as f64 / (step + 1) as f64).sqrt().max(self.final_share),
        };
        self.peak * share
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn rates(course: Course, steps: &[u64]) -> Vec<f64> {
        let schedule = Schedule { peak: 2.0, warmup_steps: 4, final_share: 0.1, course };
        steps.iter().map(|step| schedule.learning_rate(*step, 20)).collect()
    }

    /// Computed by hand: warm-up over 4 steps, 16 steps after it.
    #[test]
    fn rates_are_those_computed_by_hand() {
        let steps = [0, 3, 4, 8, 12, 16, 20, 30];
        let golden: [(Course, [f64; 8]); 5] = [
            (Course::Constant, [0.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]),
            (Course::Linear, [0.5, 2.0, 2.0, 1.55, 1.1, 0.65, 0.2, 0.2]),
            // 0.2 + 1.8 · (1 + cos(π/4)) / 2 = 1.7363961030678928
            (Course::Cosine, [0.5, 2.0, 2.0, 1.736_396_103_067_892_8, 1.1, 0.463_603_896_932_107_2, 0.2, 0.2]),
            (Course::Wsd { decay_share: 0.4 }, [0.5, 2.0, 2.0, 2.0, 2.0, 1.1, 0.2, 0.2]),
            (
                Course::InverseSqrt,
                [
                    0.5,
                    2.0,
                    1.788_854_381_999_831_7,
                    1.333_333_333_333_333_3,
                    1.109_400_392_450_458_2,
                    0.970_142_500_145_332,
                    0.872_871_560_943_969_5,
                    0.718_421_208_107_099_2,
                ],
            ),
        ];
        for (course, wanted) in golden {
            for ((rate, wanted), step) in rates(course, &steps).iter().zip(wanted).zip(steps) {
                assert!((rate - wanted).abs() < 1e-12, "{course:?} step {step}: {rate} instead of {wanted}");
            }
        }
    }

    #[test]
    fn short_runs_and_unknown_names() {
        let schedule = Schedule { peak: 1.0, warmup_steps: 0, final_share: 0.0, course: Course::Linear };
        assert_eq!(schedule.learning_rate(0, 2), 1.0);
        assert_eq!(schedule.learning_rate(1, 2), 0.5);
        assert!(Schedule { warmup_steps: 5, ..schedule }.learning_rate(4, 3) <= 1.0);
        assert_eq!(schedule.learning_rate(0, 0), 0.0);
        for name in COURSES {
            assert!(Course::named(name).is_ok());
        }
        assert!(Course::named("cosin").unwrap_err().to_string().contains("cosine"));
    }
}
