//! The batch of a global training step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::order::by_length;
use crate::{BatchSettings, Error, Plan, Row, order};

/// Epochs without a full batch that are passed over before giving up.
const MOST_EMPTY_EPOCHS: u64 = 100;

type LengthOf = dyn Fn(usize) -> usize + Send + Sync;

/// Which samples each training step sees, for any step, in any order of asking, from any thread.
pub struct Batches {
    seed: u64,
    samples: usize,
    length_of: Box<LengthOf>,
    settings: BatchSettings,
    shuffle: bool,
    state: Mutex<State>,
}

/// What has been planned so far; a cache, never a source of truth.
#[derive(Default)]
struct State {
    /// First step of each epoch whose predecessors were planned: `starts[0] = 0`.
    starts: Vec<u64>,
    /// The plans of the two epochs asked for last.
    plans: BTreeMap<u64, Arc<Plan>>,
}

impl Batches {
    /// Batches of the samples `0..samples`, whose lengths `length_of` tells; each epoch drops the rows that do not fill a
    /// batch.
    ///
    /// # Errors
    /// No samples, a size of 0, a sample longer than a row, or a first epoch without a full batch.
    pub fn new(
        seed: u64,
        samples: usize,
        length_of: impl Fn(usize) -> usize + Send + Sync + 'static,
        settings: BatchSettings,
        shuffle: bool,
    ) -> Result<Self, Error> {
        if samples == 0 {
            return Err(Error::NoSamples);
        }
        let state = Mutex::new(State { starts: vec![0], plans: BTreeMap::new() });
        let batches = Self { seed, samples, length_of: Box::new(length_of), settings, shuffle, state };
        let plan = batches.plan_of_epoch(0)?;
        if plan.is_empty() {
            return Err(batches.no_batch(0, &plan));
        }
        Ok(batches)
    }

    /// The batches of `epoch`.
    ///
    /// # Errors
    /// Those of [`Plan::new`].
    pub fn plan_of_epoch(&self, epoch: u64) -> Result<Arc<Plan>, Error> {
        self.plan(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), epoch)
    }

    /// The epoch and the rows of training step `step`, counted from 0.
    ///
    /// # Errors
    /// A hundred epochs in a row without a full batch (possible only when packing fills about one batch).
    pub fn batch_of_step(&self, step: u64) -> Result<(u64, Vec<Row>), Error> {
        let (epoch, index, plan) = self.find(step)?;
        Ok((epoch, plan.batch(index)))
    }

    /// The epoch of step `step` and the place of its batch in that epoch.
    ///
    /// # Errors
    /// As [`Batches::batch_of_step`].
    pub fn place_of_step(&self, step: u64) -> Result<(u64, usize), Error> {
        let (epoch, index, _) = self.find(step)?;
        Ok((epoch, index))
    }

    fn find(&self, step: u64) -> Result<(u64, usize, Arc<Plan>), Error> {
        // A poisoned lock only means that another thread panicked while it held a cache that is valid at any moment.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut epoch = (state.starts.partition_point(|start| *start <= step) - 1) as u64;
        let mut empty = 0;
        loop {
            let plan = self.plan(&mut state, epoch)?;
            let start = state.starts[epoch as usize];
            let end = start + plan.len() as u64;
            if state.starts.len() as u64 == epoch + 1 {
                state.starts.push(end);
            }
            if step < end {
                return Ok((epoch, (step - start) as usize, plan));
            }
            empty = if plan.is_empty() { empty + 1 } else { 0 };
            if empty == MOST_EMPTY_EPOCHS {
                return Err(self.no_batch(epoch, &plan));
            }
            epoch += 1;
        }
    }

    fn plan(&self, state: &mut State, epoch: u64) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = state.plans.get(&epoch) {
            return Ok(Arc::clone(plan));
        }
        let mut order = order(self.seed, epoch, self.samples, self.shuffle);
        if self.settings.by_length && !self.settings.packing && self.shuffle {
            order = by_length(self.seed, epoch, order, &self.length_of, self.settings.rows);
        }
        let plan = Arc::new(Plan::new(&order, &self.length_of, self.settings, true)?);
        // Data threads work on the current and the next epoch; whoever asks for another one starts the cache anew there.
        state.plans.retain(|kept, _| kept.abs_diff(epoch) == 1);
        if state.plans.len() > 1 {
            state.plans.pop_first();
        }
        state.plans.insert(epoch, Arc::clone(&plan));
        Ok(plan)
    }

    fn no_batch(&self, epoch: u64, plan: &Plan) -> Error {
        Error::NoBatch { epoch, samples: self.samples, filled: plan.filled_rows(), rows: self.settings.rows }
    }
}

/// Divides a batch into at most `micro` parts of whole, consecutive rows, whose sizes differ by at most one.
///
/// With fewer rows than parts, each row is a part. The parts hold the rows of the batch once and in order, so losses
/// summed over them are those of the batch.
#[must_use]
pub fn micro_batches(rows: &[Row], micro: usize) -> Vec<&[Row]> {
    let parts = micro.clamp(1, rows.len().max(1));
    (0..parts)
        .map(|part| &rows[part * rows.len() / parts..(part + 1) * rows.len() / parts])
        .filter(|part| !part.is_empty())
        .collect()
}
