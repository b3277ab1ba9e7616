//! The loss on held-out data, beside that of a unigram model on the same positions.

use std::collections::BTreeMap;

use batching::BatchSettings;
use compute::Device;
use modality_text::Samples;

use super::meters::Meters;
use crate::boundary::{Call, CallOptions, ObjectiveInstance};
use crate::data::BatchMaker;
use crate::error::{Error, Result};

/// Draws of held-out batches are keyed by this seed, whatever the run's, so that runs are compared on the same masks.
pub const HELD_OUT_SEED: u64 = 0x6865_6c64;

/// Probabilities of tokens by their frequency in the training data, each counted once more than it came.
pub struct Unigram {
    log_probability: Vec<f64>,
}

impl Unigram {
    /// From the training samples' tokens. Ids that are no text are left out.
    #[must_use]
    pub fn of(train: &Samples, special: &[u32]) -> Self {
        let mut counts: Vec<u64> = train.shards().token_counts().iter().map(|count| count + 1).collect();
        for id in special {
            if let Some(count) = counts.get_mut(*id as usize) {
                *count = 0;
            }
        }
        let total: u64 = counts.iter().sum();
        // A special token as a target (the end of a sample) gets the probability of a token never seen.
        let log_probability = counts.iter().map(|count| ((*count).max(1) as f64 / total.max(1) as f64).ln()).collect();
        Self { log_probability }
    }

    fn loss(&self, id: u32) -> f64 {
        self.log_probability.get(id as usize).map_or(f64::NAN, |log| -log)
    }
}

/// What was measured on held-out data.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// The loss: Σ weight · Σ sum / Σ count over all batches.
    pub loss: f64,
    /// The loss of a unigram model on the same targets, where the objective names them.
    pub unigram: Option<f64>,
    /// Metrics in the objective's order.
    pub metrics: Vec<(String, f64)>,
    /// The number of batches.
    pub batches: u64,
}

/// How held-out data is measured.
pub struct Evaluator {
    /// The held-out samples.
    pub batches: BatchMaker,
    /// The baseline.
    pub unigram: Unigram,
    /// Size and filling of the batches.
    pub settings: BatchSettings,
    /// Data threads.
    pub threads: usize,
    /// The device.
    pub device: Device,
}

impl Evaluator {
    /// Measures the loss on at most `limit` batches.
    ///
    /// # Errors
    /// When a plugin fails, no batch has a label, or the loss is not finite.
    pub fn measure(&self, objective: &ObjectiveInstance, options: &CallOptions, limit: Option<u64>) -> Result<HeldOut> {
        let mut meters = Meters::default();
        let mut parts: BTreeMap<String, (f64, f64, f64)> = BTreeMap::new();
        let (mut unigram_sum, mut targets, mut measured) = (0.0, 0_u64, 0);
        for batch in self.batches.evaluation(self.settings, limit, self.threads)? {
            let batch = batch?;
            let step = batch.step;
            for data in batch.micro {
                let call = Call::new(CallOptions { step, ..options.clone() });
                let result = objective.loss(&call, &data.on_device(&self.device)?)?;
                for part in &result.parts {
                    let entry = parts.entry(part.name.clone()).or_default();
                    *entry = (part.weight, entry.1 + part.sum.item()?, entry.2 + part.count.item()?);
                }
                for metric in &result.metrics {
                    meters.add(&metric.name, metric.sum.item()?, metric.count.item()?);
                }
                if let Some(ids) = &result.targets {
                    let ids = ids.to_ids()?;
                    targets += ids.len() as u64;
                    unigram_sum += ids.iter().map(|id| self.unigram.loss(*id)).sum::<f64>();
                }
            }
            measured += 1;
        }
        if parts.values().all(|(_, _, count)| *count == 0.0) {
            return Err(Error::new("eval/no-labels", "the held-out data has nothing to predict")
                .with_help("give more or longer text in `data.text.valid_files`"));
        }
        let loss: f64 =
            parts.values().filter(|(_, _, count)| *count > 0.0).map(|(weight, sum, count)| weight * sum / count).sum();
        if !loss.is_finite() {
            return Err(Error::new("train/not-finite", format!("the held-out loss is {loss}")));
        }
        let unigram = (targets > 0).then(|| unigram_sum / targets as f64);
        Ok(HeldOut { loss, unigram, metrics: meters.take(), batches: measured })
    }
}
