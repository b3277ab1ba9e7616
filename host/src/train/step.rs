//! One step: forward and backward over the micro-batches, then the optimizer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compute::optimizer::{Optimizer, scale};
use compute::profile::{Phase, timed};
use compute::weights::Weights;
use compute::{Device, Gradients, Tensor, ops};

use super::guards::Guards;
use super::meters::Meters;
use super::phases::PhaseOptimizer;
use crate::boundary::{
    Auxiliary, BufferUpdate, Call, CallOptions, LossResult, ObjectiveInstance, apply_updates, time_in_plugins,
};
use crate::data::StepBatch;
use crate::error::{Error, Result};

/// What a step works on.
pub struct Stepper {
    /// The weights.
    pub weights: Arc<Weights>,
    /// What is learnt.
    pub objective: Arc<ObjectiveInstance>,
    /// The optimizer of all weights, where the objective has no phases.
    pub optimizer: Box<dyn Optimizer>,
    /// The phases of the objective, each with its optimizer.
    pub phases: Vec<PhaseOptimizer>,
    /// Calls start from these options.
    pub options: CallOptions,
    /// The device.
    pub device: Device,
}

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub struct StepReport {
    /// Whether the weights changed; a step without labels changes nothing.
    pub stepped: bool,
    /// Time inside plugins, host operations that they call not counted, where this step measured it.
    pub in_plugins: Option<Duration>,
    /// The whole step's time.
    pub total: Duration,
}

/// Sums of one loss part over the micro-batches.
#[derive(Default)]
pub(super) struct PartSums {
    weight: f64,
    sum: f64,
    pub(super) count: f64,
}

impl Stepper {
    /// Does step `batch.step` with this learning rate; metrics go to `meters`.
    ///
    /// # Errors
    /// When a plugin fails, a loss is not finite, or a guard stops the run. Nothing was changed then, but by the phases
    /// before the one that failed.
    pub fn step(
        &mut self,
        batch: StepBatch,
        learning_rate: f64,
        guards: &mut Guards,
        meters: &mut Meters,
    ) -> Result<StepReport> {
        let started = Instant::now();
        // Looking at the clock around every operation costs something: one step in eight is enough.
        let (result, in_plugins) = if batch.step.is_multiple_of(8) {
            let (result, inside) = time_in_plugins(|| self.stepped(batch, learning_rate, guards, meters));
            (result, Some(inside))
        } else {
            (self.stepped(batch, learning_rate, guards, meters), None)
        };
        Ok(StepReport { stepped: result?, in_plugins, total: started.elapsed() })
    }

    /// Whether the weights changed.
    fn stepped(
        &mut self,
        batch: StepBatch,
        learning_rate: f64,
        guards: &mut Guards,
        meters: &mut Meters,
    ) -> Result<bool> {
        if !self.phases.is_empty() {
            return self.phased(batch, learning_rate, guards, meters);
        }
        let (step, samples) = (batch.step, batch.samples_in_words());
        let divided = batch.micro.len() > 1;
        let mut gradients = Gradients::default();
        let mut sums: BTreeMap<String, PartSums> = BTreeMap::new();
        let mut updates: Vec<BufferUpdate> = Vec::new();
        for (micro, data) in batch.micro.into_iter().enumerate() {
            let call = Call::new(CallOptions { step, micro_batch: micro as u64, ..self.options.clone() });
            let result = self.objective.loss(&call, &data.on_device(&self.device)?)?;
            self.refuse_undividable(&result, divided)?;
            add_metrics(&result, meters)?;
            let parts = parts_of(result, &mut updates);
            let total =
                self.total(&parts, divided, &mut sums, &|what, value| guards.finite(what, value, step, &samples))?;
            if let Some(total) = total {
                compute::backward(&total, None, false, &mut gradients)?;
            }
        }
        if sums.values().all(|part| part.count == 0.0) {
            guards.empty_step(step)?;
            return Ok(false);
        }
        if divided {
            // One part only: its gradient was left as that of the sum.
            let count = sums.values().map(|part| part.count).sum::<f64>();
            scale(&self.weights, &mut gradients, 1.0 / count)?;
        }
        add_losses(&sums, meters);
        let mut gradients =
            self.objective.gradients(&Call::new(CallOptions { step, ..self.options.clone() }), gradients)?;
        guards.gradients(&self.weights, gradients.leaves(), step)?;
        let changed =
            timed("optimizer", Phase::Update, || self.optimizer.step(&self.weights, &mut gradients, learning_rate))?;
        guards.finite("the gradient norm", changed.gradient_norm, step, &samples)?;
        meters.add("gradient_norm", changed.gradient_norm, 1.0);
        apply_updates(updates)?;
        Ok(true)
    }

    /// Two parts over several micro-batches need global counts before the backward pass, which nobody gives yet.
    fn refuse_undividable(&self, result: &LossResult, divided: bool) -> Result<()> {
        if !divided {
            return Ok(());
        }
        let name = self.objective.name();
        let reason = if self.objective.couples() {
            format!("couples the samples of a batch, and `{}` is not in this host yet", lacuna_abi::name::COUPLE)
        } else if result.parts.len() + result.auxiliaries.len() > 1 {
            format!(
                "has {} loss parts, whose counts over the whole batch are known only after the last micro-batch",
                result.parts.len() + result.auxiliaries.len()
            )
        } else {
            return Ok(());
        };
        Err(Error::new("config/accumulation", format!("objective `{name}` {reason}, so its batch cannot be divided"))
            .with_help("set `run.accumulation` to 1"))
    }

    /// The scalar to go back from: Σ weight · sum / count, or the bare weighted sum where the batch is divided.
    pub(super) fn total(
        &self,
        parts: &[Part],
        divided: bool,
        sums: &mut BTreeMap<String, PartSums>,
        finite: &dyn Fn(&str, f64) -> Result<()>,
    ) -> Result<Option<Tensor>> {
        let mut total: Option<Tensor> = None;
        for (name, weight, sum, count) in parts {
            let (value, counted) = (sum.item()?, count.item()?);
            finite(&format!("the loss part `{name}`"), value)?;
            finite(&format!("the count of loss part `{name}`"), counted)?;
            let entry = sums.entry(name.clone()).or_default();
            entry.weight = *weight;
            entry.sum += value;
            entry.count += counted;
            if counted == 0.0 || !sum.needs_gradient() {
                continue;
            }
            let scale = if divided { *weight } else { weight / counted };
            let term = ops::mul_scalar(&ops::reshape(sum, &[])?, scale)?;
            total = Some(match total {
                Some(total) => ops::add(&total, &term)?,
                None => term,
            });
        }
        Ok(total)
    }
}

/// A loss part: name, weight, sum, count.
pub(super) type Part = (String, f64, Tensor, Tensor);

pub(super) fn parts_of(result: LossResult, updates: &mut Vec<BufferUpdate>) -> Vec<Part> {
    updates.extend(result.updates);
    let own = result.parts.into_iter().map(|part| (part.name, part.weight, part.sum, part.count));
    let inner = result
        .auxiliaries
        .into_iter()
        .map(|Auxiliary { role, name, weight, sum, count }| (format!("{role}/{name}"), weight, sum, count));
    own.chain(inner).collect()
}

pub(super) fn add_metrics(result: &LossResult, meters: &mut Meters) -> Result<()> {
    for metric in &result.metrics {
        meters.add(&metric.name, metric.sum.item()?, metric.count.item()?);
    }
    Ok(())
}

/// The step's loss goes into the meter `loss`; with several parts, each also under its own name.
pub(super) fn add_losses(sums: &BTreeMap<String, PartSums>, meters: &mut Meters) {
    let mean = |part: &PartSums| if part.count > 0.0 { part.sum / part.count } else { 0.0 };
    meters.add("loss", sums.values().map(|part| part.weight * mean(part)).sum(), 1.0);
    if sums.len() > 1 {
        for (name, part) in sums {
            meters.add(&format!("loss/{name}"), part.sum, part.count);
        }
    }
}
