//! The batch of a step, collated on data threads: plain memory until the step puts it on its device.

use std::collections::BTreeMap;
use std::sync::Arc;

use batching::{BatchSettings, Batches, Plan, Prefetch, Row, micro_batches};
use compute::Device;
use compute::layout::Layout;
use philox::Key;
use records::{Dtype, TensorBytes};

use super::source::SharedSource;
use crate::boundary::{AddedColumn, Call, CallOptions, Collation, Collator, Object, Sample, batch_on_device};
use crate::error::{Error, Result};
use crate::train::file_dtype;

/// A micro-batch in plain memory.
#[derive(Debug)]
pub struct MicroBatch {
    modality: &'static str,
    columns: BTreeMap<String, AddedColumn>,
    layout: Layout,
    /// The ids of its samples, in order.
    pub samples: Vec<u64>,
    /// Their numbers among all samples.
    pub numbers: Vec<usize>,
}

impl MicroBatch {
    /// The number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.layout.tokens()
    }

    /// Tokens of the longest sample.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.layout.longest()
    }

    /// The batch as tensors on `device`.
    ///
    /// # Errors
    /// When the device has no room.
    pub fn on_device(self, device: &Device) -> Result<Arc<Object>> {
        batch_on_device(self.columns, [(format!("{}.layout", self.modality), self.layout)], device)
    }

    /// Its columns as they are handed to the objective, and its layout as `MODALITY.offsets` `[segments + 1]`,
    /// `MODALITY.positions` `[tokens]` and `MODALITY.sequences` `[segments]`, all i64; `samples` `[segments]` are the samples' ids, u64.
    ///
    /// # Errors
    /// A column of a type that files do not have.
    pub fn into_tensors(self) -> Result<Vec<TensorBytes>> {
        let name = |what: &str| format!("{}.{what}", self.modality);
        let offsets = i64s(&name("offsets"), self.layout.offsets().iter().map(|offset| *offset as i64));
        let positions = i64s(&name("positions"), self.layout.positions().iter().map(|position| i64::from(*position)));
        let sequences = i64s(&name("sequences"), self.layout.sequences().iter().map(|sequence| *sequence as i64));
        let ids = self.samples.iter().flat_map(|id| id.to_le_bytes()).collect();
        let samples =
            TensorBytes { name: "samples".into(), dtype: Dtype::U64, shape: vec![self.samples.len()], bytes: ids };
        let mut tensors = vec![offsets, positions, sequences, samples];
        for (name, column) in self.columns {
            let dtype = file_dtype(&name, column.dtype)?;
            tensors.push(TensorBytes { name, dtype, shape: column.dims, bytes: column.data });
        }
        Ok(tensors)
    }
}

/// The global batch of a step, divided.
#[derive(Debug)]
pub struct StepBatch {
    /// The step, from 0.
    pub step: u64,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Its micro-batches.
    pub micro: Vec<MicroBatch>,
}

impl StepBatch {
    /// The number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.micro.iter().map(MicroBatch::tokens).sum()
    }

    /// The first sample ids, for errors.
    #[must_use]
    pub fn samples_in_words(&self) -> String {
        let ids: Vec<u64> = self.micro.iter().flat_map(|micro| micro.samples.iter().copied()).collect();
        let some: Vec<String> = ids.iter().take(6).map(|id| format!("{id:x}")).collect();
        if ids.len() > some.len() {
            format!("{} and {} more", some.join(" "), ids.len() - some.len())
        } else {
            some.join(" ")
        }
    }
}

/// What data threads need to make batches. Cheap to share.
#[derive(Clone)]
pub struct BatchMaker {
    samples: SharedSource,
    collator: Arc<dyn Collator>,
    seed: u64,
    /// Steps of the whole run, where it trains.
    steps: Option<u64>,
}

impl BatchMaker {
    /// Batches of `samples`, collated by an objective or evaluator; draws are keyed by `seed`.
    #[must_use]
    pub fn new(samples: SharedSource, collator: Arc<dyn Collator>, seed: u64) -> Self {
        Self { samples, collator, seed, steps: None }
    }

    /// For a run of so many steps.
    #[must_use]
    pub fn over(mut self, steps: u64) -> Self {
        self.steps = Some(steps);
        self
    }

    /// The step batches `first..last`, made ahead by `threads` data threads.
    #[must_use]
    pub fn training(
        &self,
        plan: &Arc<Batches>,
        accumulation: usize,
        first: u64,
        last: u64,
        threads: usize,
    ) -> Prefetch<StepBatch, Error> {
        let (maker, plan) = (self.clone(), plan.clone());
        Prefetch::new(first, last, threads, 2 * threads + 1, move |step| {
            let (epoch, rows) = plan.batch_of_step(step)?;
            let progress = step as f64 / maker.steps.unwrap_or(last).max(1) as f64;
            let micro = micro_batches(&rows, accumulation)
                .into_iter()
                .map(|rows| maker.micro_batch(rows, epoch, Some(progress)))
                .collect::<Result<_>>()?;
            Ok(StepBatch { step, epoch, micro })
        })
    }

    /// The batches of one pass over all samples in their order, at most `limit` of them; the last may be smaller.
    ///
    /// # Errors
    /// A sample longer than a row.
    pub fn evaluation(
        &self,
        settings: BatchSettings,
        limit: Option<u64>,
        threads: usize,
    ) -> Result<Prefetch<StepBatch, Error>> {
        let order: Vec<usize> = (0..self.samples.len()).collect();
        let samples = self.samples.clone();
        let plan = Plan::new(&order, |sample| samples.length(sample), settings, false)?;
        let last = limit.unwrap_or(u64::MAX).min(plan.len() as u64);
        let maker = self.clone();
        Ok(Prefetch::new(0, last, threads, 2 * threads + 1, move |step| {
            let index = usize::try_from(step).unwrap_or(usize::MAX);
            Ok(StepBatch { step, epoch: 0, micro: vec![maker.micro_batch(&plan.batch(index), 0, None)?] })
        }))
    }

    fn micro_batch(&self, rows: &[Row], epoch: u64, progress: Option<f64>) -> Result<MicroBatch> {
        let modality = self.samples.modality();
        let (mut samples, mut lengths, mut sequences, mut first_row) = (Vec::new(), Vec::new(), Vec::new(), 0);
        // Measuring sees samples as they are.
        let augment = progress.map(|_| Key::root(self.seed).stream("augment").at(epoch));
        let numbers: Vec<usize> = rows.iter().flatten().copied().collect();
        for (sequence, row) in rows.iter().enumerate() {
            for number in row {
                lengths.push(self.samples.length(*number));
                sequences.push(sequence);
                let id = self.samples.id(*number);
                samples.push(Sample {
                    id,
                    columns: self.samples.read(*number, augment.map(|key| key.at(id)))?,
                    first_rows: BTreeMap::from([(modality.to_owned(), first_row)]),
                });
                first_row += lengths[lengths.len() - 1];
            }
        }
        let ids: Vec<u64> = samples.iter().map(|sample| sample.id).collect();
        let layout = Layout::new(&lengths, &ids)?.with_sequences(sequences)?;
        let collation = Collation::new(samples, self.seed, self.collator.name(), epoch);
        let collation = match progress {
            Some(progress) => collation.with_progress(progress),
            None => collation,
        };
        self.collator.collate(&Call::new(CallOptions::data(self.seed)), &collation)?;
        let of_samples = self.samples.batch_columns();
        let mut columns = of_samples
            .iter()
            .map(|column| Ok((column.name().to_owned(), column.gather(&collation)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        columns.extend(collation.into_added());
        Ok(MicroBatch { modality, columns, layout, samples: ids, numbers })
    }
}

fn i64s(name: &str, values: impl ExactSizeIterator<Item = i64>) -> TensorBytes {
    let shape = vec![values.len()];
    TensorBytes { name: name.into(), dtype: Dtype::I64, shape, bytes: values.flat_map(i64::to_le_bytes).collect() }
}
