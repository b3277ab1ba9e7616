//! The loss on held-out data, beside that of a unigram model on the same positions.

use std::collections::BTreeMap;

use batching::BatchSettings;
use compute::Device;
use modality_text::Samples;

use super::meters::Meters;
use super::sheets::{Sheet, SheetsSoFar};
use crate::boundary::{Call, CallOptions, Items, ItemsSoFar, ObjectiveInstance};
use crate::data::{BatchMaker, Levels};
use crate::error::{Error, Result};

/// Draws of held-out batches are keyed by this seed, whatever the run's, so that runs are compared on the same masks.
pub const HELD_OUT_SEED: u64 = 0x6865_6c64;

/// A model that knows how often each token comes in the training data, each counted once more than it came.
pub struct Unigram {
    /// By id; 0 for special tokens.
    counts: Vec<u64>,
    /// The special token that ends a sample, and how many samples it ends.
    end: Option<(u32, u64)>,
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
        let last = train.get(0).ids.last().copied().filter(|id| special.contains(id));
        Self { counts, end: last.map(|id| (id, train.len() as u64)) }
    }

    /// Σ −ln p of targets, given how often each id is one.
    ///
    /// What an objective never predicts takes no probability: the end of a sample counts where it is a target, as for
    /// causal models, and not for masked ones.
    fn loss(&self, targets: &BTreeMap<u32, u64>) -> f64 {
        let end = self.end.filter(|(id, _)| targets.contains_key(id));
        let total = (self.counts.iter().sum::<u64>() + end.map_or(0, |(_, count)| count)) as f64;
        let loss = |id: u32| match (end, self.counts.get(id as usize)) {
            (Some((end, count)), _) if end == id => (total / count as f64).ln(),
            // Other special tokens as if they had come once.
            (_, Some(count)) => (total / (*count).max(1) as f64).ln(),
            (_, None) => f64::NAN,
        };
        targets.iter().map(|(id, times)| *times as f64 * loss(*id)).sum()
    }
}

/// What was measured on held-out data.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// The loss: Σ weight · Σ sum / Σ count over all batches.
    pub loss: f64,
    /// The loss of a unigram model on the same targets, where the objective names them.
    pub unigram: Option<f64>,
    /// Metrics in the objective's order, then figures over all samples.
    pub metrics: Vec<(String, f64)>,
    /// The results of single samples, where the objective gives any.
    pub items: Option<Items>,
    /// Pictures that the objective shows.
    pub sheets: Vec<Sheet>,
    /// The number of batches.
    pub batches: u64,
}

/// How held-out data is measured.
pub struct Evaluator {
    /// The held-out samples.
    pub batches: BatchMaker,
    /// The baseline, where the data is text.
    pub unigram: Option<Unigram>,
    /// Size and filling of the batches.
    pub settings: BatchSettings,
    /// Data threads.
    pub threads: usize,
    /// The device.
    pub device: Device,
    /// How pictures were made, where the data is such.
    pub levels: Option<Levels>,
}

impl Evaluator {
    /// Measures the loss on at most `limit` batches.
    ///
    /// # Errors
    /// When a plugin fails, no batch has a label, or the loss is not finite.
    pub fn measure(&self, objective: &ObjectiveInstance, options: &CallOptions, limit: Option<u64>) -> Result<HeldOut> {
        let mut meters = Meters::default();
        let mut parts: BTreeMap<String, (f64, f64, f64)> = BTreeMap::new();
        let mut sheets = SheetsSoFar::default();
        let (mut targets, mut measured, mut items) = (BTreeMap::<u32, u64>::new(), 0, ItemsSoFar::default());
        for batch in self.batches.evaluation(self.settings, limit, self.threads)? {
            let batch = batch?;
            let step = batch.step;
            for data in batch.micro {
                let call = Call::new(CallOptions { step, ..options.clone() });
                let (numbers, ids) = (data.numbers.clone(), data.samples.clone());
                let result = objective.loss(&call, &data.on_device(&self.device)?)?;
                items.add(&numbers, &ids, &result.items)?;
                sheets.add(&numbers, &result.shown, self.levels.as_ref())?;
                for part in &result.parts {
                    let entry = parts.entry(part.name.clone()).or_default();
                    *entry = (part.weight, entry.1 + part.sum.item()?, entry.2 + part.count.item()?);
                }
                for metric in &result.metrics {
                    meters.add(&metric.name, metric.sum.item()?, metric.count.item()?);
                }
                if let Some(ids) = &result.targets {
                    ids.to_ids()?.into_iter().for_each(|id| *targets.entry(id).or_default() += 1);
                }
            }
            measured += 1;
        }
        if parts.values().all(|(_, _, count)| *count == 0.0) {
            return Err(Error::new("eval/no-labels", "the held-out data has nothing to predict")
                .with_help("give more of it, or for text longer texts, in `data.text.valid_files`"));
        }
        let loss: f64 =
            parts.values().filter(|(_, _, count)| *count > 0.0).map(|(weight, sum, count)| weight * sum / count).sum();
        if !loss.is_finite() {
            return Err(Error::new("train/not-finite", format!("the held-out loss is {loss}")));
        }
        let count: u64 = targets.values().sum();
        let unigram = self.unigram.as_ref().filter(|_| count > 0);
        let unigram = unigram.map(|unigram| unigram.loss(&targets) / count as f64);
        if parts.len() > 1 {
            let means = parts.iter().filter(|(_, (_, _, count))| *count > 0.0);
            means.for_each(|(name, (_, sum, count))| meters.add(&format!("loss/{name}"), *sum, *count));
        }
        let (mut metrics, items) = (meters.take(), items.finish()?);
        let items = Some(items).filter(|items| !items.columns.is_empty());
        if let Some(items) = &items {
            let found = objective.figures(&Call::new(options.clone()), items)?;
            sheets.add(&[0], &found.shown, None)?;
            let figures = found.figures;
            // A figure over all samples says more than the mean of batches that goes by its name.
            metrics.retain(|(name, _)| figures.iter().all(|(figure, _)| figure != name));
            metrics.extend(figures);
        }
        Ok(HeldOut { loss, unigram, metrics, items, sheets: sheets.finish()?, batches: measured })
    }
}
