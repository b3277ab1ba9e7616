//! What stops a run: losses that are not finite, steps without labels, weights that nothing trains.

use compute::weights::{GradientWatch, Weights};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// Steps in a row without any label after which the run stops.
pub const MOST_EMPTY_STEPS: u64 = 10;

/// The watchers of a run.
pub struct Guards {
    objective: String,
    seed: u64,
    patience: u64,
    watch: GradientWatch,
    empty_in_a_row: u64,
    /// Steps that had no label and were skipped.
    pub skipped: u64,
}

impl Guards {
    /// Watchers for a run; `patience` is the number of steps a trainable weight may go without a gradient.
    #[must_use]
    pub fn new(objective: &str, seed: u64, patience: u64) -> Self {
        Self { objective: objective.into(), seed, patience, watch: GradientWatch::new(), empty_in_a_row: 0, skipped: 0 }
    }

    /// An error when `value` (a loss part, the gradient norm) is not finite.
    ///
    /// # Errors
    /// Names what, step, seed, objective and the samples of the batch.
    pub fn finite(&self, what: &str, value: f64, step: u64, samples: &str) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let text = format!(
            "{what} is {value} in step {step} of objective `{}` (seed {}, samples {samples})",
            self.objective, self.seed
        );
        Err(Error::new("train/not-finite", text).with_help(
            "lower `optimizer.learning_rate`, lengthen `schedule.warmup_steps`, or lower `optimizer.clip_norm`; \
             the last checkpoint is from before this step",
        ))
    }

    /// Counts a step without labels.
    ///
    /// # Errors
    /// At the tenth in a row.
    pub fn empty_step(&mut self, step: u64) -> Result<()> {
        self.skipped += 1;
        self.empty_in_a_row += 1;
        if self.empty_in_a_row < MOST_EMPTY_STEPS {
            return Ok(());
        }
        let text = format!(
            "objective `{}` found nothing to predict in {MOST_EMPTY_STEPS} steps in a row, up to step {step}",
            self.objective
        );
        Err(Error::new("train/no-labels", text)
            .with_help("all labels are ignored: are the samples long enough, and is the share to predict above 0?"))
    }

    /// Watches which weights got a gradient in a step that had labels.
    ///
    /// # Errors
    /// When a trainable weight has gone without for too long.
    pub fn gradients(&mut self, weights: &Weights, leaves: impl IntoIterator<Item = u64>, step: u64) -> Result<()> {
        self.empty_in_a_row = 0;
        self.watch.observe(weights, leaves);
        if self.patience == 0 {
            return Ok(());
        }
        let names = self.watch.overdue(weights, self.patience);
        self.missing(&names, &format!("for {} steps, up to step {step}", self.patience))
    }

    /// At the end of a run: an error when a trainable weight never got a gradient.
    ///
    /// # Errors
    /// Names them.
    pub fn at_the_end(&self, weights: &Weights) -> Result<()> {
        self.missing(&self.watch.never(weights), "in the whole run")
    }

    fn missing(&self, names: &[String], when: &str) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let some: Vec<String> = names.iter().take(4).map(|name| format!("`{name}`")).collect();
        let more =
            if names.len() > some.len() { format!(" and {} more", names.len() - some.len()) } else { String::new() };
        let text = format!(
            "no gradient reached {}{more} {when}, though objective `{}` trains them",
            some.join(", "),
            self.objective
        );
        Err(Error::new("train/no-gradient", text).with_help(
            "a weight that no loss reaches is a mistake in the model or objective; freeze it, declare it `sometimes`, \
             or raise `run.allow_missing_gradient_steps`",
        ))
    }

    /// The state for a checkpoint.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json!({ "empty_in_a_row": self.empty_in_a_row, "skipped": self.skipped, "watch": self.watch.state() })
    }

    /// The state back.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn restore(&mut self, json: &Json) -> Result<()> {
        let number = |name: &str| json.get(name).and_then(Json::as_u64);
        let watch: Option<Vec<(String, u64, bool)>> =
            json.get("watch").and_then(|watch| serde_json::from_value(watch.clone()).ok());
        let (Some(empty), Some(skipped), Some(watch)) = (number("empty_in_a_row"), number("skipped"), watch) else {
            return Err(Error::new("run/checkpoint", "the checkpoint's record of gradients cannot be read"));
        };
        (self.empty_in_a_row, self.skipped, self.watch) = (empty, skipped, GradientWatch::from_state(watch));
        Ok(())
    }
}
