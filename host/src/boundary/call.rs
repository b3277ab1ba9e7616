//! What one call from the loop into plugins carries, shared by all calls nested in it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use compute::weights::{Buffer, Resolve};
use compute::{DType, Device, Tensor};
use philox::Key;

use super::outcomes::Outcomes;
use super::sites::Listeners;

/// Which kind of thread a call runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// The thread of the step: tensor operations, gradients, weights.
    Step,
    /// A data thread: plain memory only.
    Data,
}

/// Takes a line of a plugin's log: level (0 debug, 1 info, 2 warning), plugin, text.
pub type LogSink = Arc<dyn Fn(u32, &str, &str) + Send + Sync>;

/// The fixed part of a call.
#[derive(Clone)]
pub struct CallOptions {
    /// The kind of thread.
    pub thread: Thread,
    /// Whether an instance is being made: only then weights of models are handed out.
    pub creating: bool,
    /// Whether this is training; evaluation otherwise (no dropout, no buffer updates).
    pub training: bool,
    /// Whether operations record how gradients go back.
    pub gradients: bool,
    /// How weights are resolved.
    pub resolve: Resolve,
    /// The type that weights of linear layers are read in, where it is another one: half precision halves what a step of
    /// generation has to read.
    pub products: Option<DType>,
    /// The seed of the run.
    pub seed: u64,
    /// The step.
    pub step: u64,
    /// The micro-batch within the step: tells draws apart that have no layout.
    pub micro_batch: u64,
    /// Where tensors are made.
    pub device: Device,
    /// Who listens at which site.
    pub listeners: Arc<Listeners>,
    /// Outcomes of constant operations to record or to give again: finite differences.
    pub outcomes: Option<Arc<Outcomes>>,
    /// Where log lines go.
    pub log: Option<LogSink>,
}

impl CallOptions {
    /// A training call on the step thread with gradients, first micro-batch, nobody listening.
    #[must_use]
    pub fn training(seed: u64, step: u64, device: Device) -> Self {
        Self {
            thread: Thread::Step,
            creating: false,
            training: true,
            gradients: true,
            resolve: Resolve::default(),
            products: None,
            seed,
            step,
            micro_batch: 0,
            device,
            listeners: Arc::default(),
            outcomes: None,
            log: None,
        }
    }

    /// An evaluation call on the step thread, without gradients.
    #[must_use]
    pub fn evaluation(seed: u64, step: u64, device: Device) -> Self {
        let mut options = Self::training(seed, step, device);
        options.training = false;
        options.gradients = false;
        options.resolve.gradients = false;
        options
    }

    /// A call on a data thread.
    #[must_use]
    pub fn data(seed: u64) -> Self {
        let mut options = Self::evaluation(seed, 0, Device::Cpu);
        options.thread = Thread::Data;
        options
    }
}

/// A loss from inside a model.
#[derive(Debug, Clone)]
pub struct Auxiliary {
    /// The role of the model.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its weight in the total.
    pub weight: f64,
    /// Scalar sum, with gradient.
    pub sum: Tensor,
    /// Scalar count.
    pub count: Tensor,
}

/// How a buffer takes values of several micro-batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UpdateRule {
    /// The last value.
    Set,
    /// The mean of the values.
    Mean,
    /// The former value plus the sum of the values.
    Sum,
    /// A moving average with this momentum over the mean of the values.
    MovingAverage(f64),
}

/// A change of a buffer, to be applied after the step.
#[derive(Clone)]
pub struct BufferUpdate {
    /// The buffer.
    pub buffer: Arc<Buffer>,
    /// The value, without gradient.
    pub value: Tensor,
    /// How it is taken.
    pub rule: UpdateRule,
}

/// Applies the updates of a step to their buffers, those of all its micro-batches together, in the order of creation.
///
/// # Errors
/// When a buffer refuses: a mean or moving average of integers.
pub fn apply_updates(updates: Vec<BufferUpdate>) -> crate::error::Result<()> {
    let mut done = vec![false; updates.len()];
    for first in 0..updates.len() {
        if done[first] {
            continue;
        }
        let BufferUpdate { buffer, rule, .. } = &updates[first];
        let same: Vec<usize> = (first..updates.len())
            .filter(|index| Arc::ptr_eq(&updates[*index].buffer, buffer) && updates[*index].rule == *rule)
            .collect();
        same.iter().for_each(|index| done[*index] = true);
        let values: Vec<_> = same.iter().map(|index| updates[*index].value.value().clone()).collect();
        match rule {
            UpdateRule::Set => values.last().map_or(Ok(()), |value| buffer.set_value(value))?,
            UpdateRule::Mean => buffer.update(&values, compute::weights::BufferUpdate::Mean)?,
            UpdateRule::Sum => buffer.update(&values, compute::weights::BufferUpdate::Sum)?,
            UpdateRule::MovingAverage(keep) => buffer.update(&values, compute::weights::BufferUpdate::Ema(*keep))?,
        }
    }
    Ok(())
}

#[derive(Default)]
struct Collected {
    counters: BTreeMap<String, u64>,
    auxiliaries: Vec<Auxiliary>,
    updates: Vec<BufferUpdate>,
}

/// One call with what it collects.
pub struct Call {
    options: CallOptions,
    collected: Mutex<Collected>,
    passes: AtomicU64,
}

impl Call {
    /// A fresh call: all streams at their first number.
    #[must_use]
    pub fn new(options: CallOptions) -> Arc<Self> {
        Arc::new(Self { options, collected: Mutex::default(), passes: AtomicU64::new(0) })
    }

    /// The fixed part.
    #[must_use]
    pub fn options(&self) -> &CallOptions {
        &self.options
    }

    /// The key of the next draw from `role/site`: (seed, stream, step, number of the draw within this call).
    ///
    /// A replay with a fresh [`Call`] of the same options gives the same keys.
    #[must_use]
    pub fn next_key(&self, role: &str, site: &str) -> Key {
        let stream = if role.is_empty() { site.to_owned() } else { format!("{role}/{site}") };
        let key = Key::root(self.options.seed).stream(&stream).at(self.options.step);
        let mut collected = self.collected();
        let number = collected.counters.entry(stream).or_default();
        let key = key.at(*number);
        *number += 1;
        key
    }

    /// How often models were run in this call; what a model runs inside itself is not counted.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    pub(super) fn count_pass(&self) {
        self.passes.fetch_add(1, Ordering::Relaxed);
    }

    /// The auxiliary losses so far, taken out.
    #[must_use]
    pub fn take_auxiliaries(&self) -> Vec<Auxiliary> {
        std::mem::take(&mut self.collected().auxiliaries)
    }

    /// The buffer updates so far, taken out.
    #[must_use]
    pub fn take_updates(&self) -> Vec<BufferUpdate> {
        std::mem::take(&mut self.collected().updates)
    }

    pub(super) fn add_auxiliary(&self, auxiliary: Auxiliary) {
        self.collected().auxiliaries.push(auxiliary);
    }

    pub(super) fn add_update(&self, update: BufferUpdate) {
        self.collected().updates.push(update);
    }

    fn collected(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
