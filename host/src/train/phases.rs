//! Steps in phases: one loss after the other, each with its backward pass and its own optimizer.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute::Gradients;
use compute::optimizer::Optimizer;
use compute::profile::{self, timed};
use compute::weights::{Saved, Weights};
use experiment::Experiment;

use super::guards::Guards;
use super::meters::Meters;
use super::optimizers::make_optimizer;
use super::session::OBJECTIVE;
use super::step::{Stepper, add_losses, add_metrics, parts_of};
use crate::boundary::{
    Batch, Call, CallOptions, Content, Object, ObjectiveInstance, Phase, apply_updates, batch_object,
};
use crate::data::StepBatch;
use crate::error::{Error, Result};

/// Marks tensors of a phase's optimizer in a checkpoint: `phase/NAME/…`.
const STATE: &str = "phase/";

/// A phase and what steps its weights.
pub struct PhaseOptimizer {
    /// The phase.
    pub phase: Phase,
    /// The names of the weights it trains.
    pub weights: Vec<String>,
    /// Their optimizer.
    pub optimizer: Box<dyn Optimizer>,
}

/// An optimizer for each phase of the objective; none where it has no phases.
///
/// # Errors
/// When the batch is divided, no phase trains a weight that is trained, or the optimizer's settings do not fit.
pub(super) fn phase_optimizers(
    experiment: &Experiment,
    weights: &Weights,
    objective: &ObjectiveInstance,
) -> Result<Vec<PhaseOptimizer>> {
    let mut made = Vec::new();
    for phase in objective.phases() {
        let names = phase.weights(weights, OBJECTIVE);
        let optimizer = make_optimizer(experiment, weights, names.clone())?;
        made.push(PhaseOptimizer { phase: phase.clone(), weights: names, optimizer });
    }
    if made.is_empty() {
        return Ok(made);
    }
    if experiment.run.accumulation > 1 {
        return Err(undividable(objective.name()));
    }
    let trained = |name: &str| made.iter().any(|phase| phase.weights.iter().any(|own| own == name));
    match weights.trainable().iter().find(|weight| !trained(weight.name())) {
        None => Ok(made),
        Some(weight) => Err(Error::new(
            "plugin/phases",
            format!("no phase of objective `{}` trains `{}`", objective.name(), weight.name()),
        )
        .with_help("freeze its model with `frozen = true`, or name its role, or the weight, in a phase")),
    }
}

fn undividable(objective: &str) -> Error {
    let text = format!(
        "objective `{objective}` trains in phases, whose later losses are computed after the earlier steps, \
         so its batch cannot be divided"
    );
    Error::new("config/accumulation", text).with_help("set `run.accumulation` to 1")
}

impl Stepper {
    /// A step in phases. Whether weights changed.
    pub(super) fn phased(
        &mut self,
        batch: StepBatch,
        learning_rate: f64,
        guards: &mut Guards,
        meters: &mut Meters,
    ) -> Result<bool> {
        let (step, samples) = (batch.step, batch.samples_in_words());
        let mut micro = batch.micro.into_iter();
        let (Some(data), None) = (micro.next(), micro.next()) else {
            return Err(undividable(self.objective.name()));
        };
        let data = data.on_device(&self.device)?;
        // One call for all phases: their draws are told apart by their numbers.
        let call = Call::new(CallOptions { step, ..self.options.clone() });
        let mut carry = batch_object([])?;
        let (mut sums, mut updates, mut leaves) = (BTreeMap::new(), Vec::new(), Vec::new());
        for index in 0..self.phases.len() {
            let name = self.phases[index].phase.name.clone();
            let result = self.objective.phase_loss(index, &carry, &call, &data)?;
            carry = detached(&carry)?;
            add_metrics(&result, meters)?;
            let parts = parts_of(result, &mut updates);
            if let Some((twice, ..)) = parts.iter().find(|(part, ..)| sums.contains_key(part)) {
                return Err(Error::new("loss/name", format!("two phases have a loss part named `{twice}`"))
                    .with_help("name parts for their phase: `Loss::new().and(name, weight, &values)`"));
            }
            let mut own = BTreeMap::new();
            let finite = |what: &str, value| guards.finite(&format!("{what} of phase `{name}`"), value, step, &samples);
            let total = self.total(&parts, false, &mut own, &finite)?;
            sums.append(&mut own);
            let Some(total) = total else { continue };
            let mut gradients = Gradients::default();
            compute::backward(&total, None, false, &mut gradients)?;
            let mut gradients = self.objective.gradients(&call, gradients)?;
            let phase = &mut self.phases[index];
            let trained = phase.weights.iter().filter_map(|name| Some(self.weights.get(name)?.leaf()));
            leaves.extend(trained.filter(|leaf| gradients.get(leaf).is_some()).map(|leaf| leaf.id()));
            let changed = timed("optimizer", profile::Phase::Update, || {
                phase.optimizer.step(&self.weights, &mut gradients, learning_rate)
            })?;
            let norm = format!("gradient_norm/{name}");
            guards.finite(&norm, changed.gradient_norm, step, &samples)?;
            meters.add(&norm, changed.gradient_norm, 1.0);
        }
        if sums.values().all(|part| part.count == 0.0) {
            guards.empty_step(step)?;
            return Ok(false);
        }
        add_losses(&sums, meters);
        guards.gradients(&self.weights, leaves, step)?;
        apply_updates(updates)?;
        Ok(true)
    }

    /// What the optimizers remember, for a checkpoint.
    ///
    /// # Errors
    /// When the device fails.
    pub fn optimizer_state(&self) -> Result<Vec<Saved>> {
        let mut state = self.optimizer.state()?;
        for PhaseOptimizer { phase, optimizer, .. } in &self.phases {
            let named = |saved: Saved| Saved { name: format!("{STATE}{}/{}", phase.name, saved.name), ..saved };
            state.extend(optimizer.state()?.into_iter().map(named));
        }
        Ok(state)
    }

    /// What the optimizers remember, back from a checkpoint.
    ///
    /// # Errors
    /// When a name is not theirs, or a value does not fit its weight.
    pub fn load_optimizer_state(&mut self, mut state: BTreeMap<String, Saved>) -> Result<()> {
        for PhaseOptimizer { phase, optimizer, .. } in &mut self.phases {
            let prefix = format!("{STATE}{}/", phase.name);
            let own = state.extract_if(.., |name, _| name.starts_with(&prefix));
            let own = own.map(|(name, saved)| (name[prefix.len()..].to_owned(), saved)).collect();
            optimizer.load_state(&self.weights, &own)?;
        }
        Ok(self.optimizer.load_state(&self.weights, &state)?)
    }
}

fn detached(carry: &Arc<Object>) -> Result<Arc<Object>> {
    match carry.content() {
        Content::Batch(batch) => Ok(Object::new(Content::Batch(Batch::detached(batch)))),
        _ => Err(Error::new("host/phase", "the batch that phases carry changed its kind")),
    }
}
