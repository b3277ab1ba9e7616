//! Objectives: what is to be learnt, and its optional parts.

use serde_json::{Value, json};

use crate::batch::Batch;
use crate::collate::Samples;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::items::Item;
use crate::raw::{HostObject, calls, gradients};
use crate::raw::{Object, weights};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// An objective. One instance serves a whole run; `&self` because the host may call it again while it runs.
pub trait Objective: Sized + Send + Sync + 'static {
    /// The `[objective]` table of an experiment.
    type Settings: Settings;

    /// Makes an instance: asks the scope for models by role, heads, vocabularies and weights of its own.
    ///
    /// # Errors
    /// When settings do not fit together or the experiment lacks something.
    fn new(settings: Self::Settings, scope: &Scope) -> Result<Self>;

    /// The loss of a batch.
    ///
    /// # Errors
    /// When the batch lacks a column or a model fails. Operations do not fail; the host looks after them.
    fn loss(&self, batch: &Batch) -> Result<Loss>;

    /// Whether the loss of a sample depends on the other samples of the batch; then accumulation needs [`Couple`].
    fn couples(&self) -> bool {
        false
    }

    /// State that is no tensor, saved with the checkpoint.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn save(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Puts back what [`Objective::save`] gave.
    ///
    /// # Errors
    /// When it is not what this version wrote.
    fn restore(&self, state: &str) -> Result<()> {
        if state.is_empty() {
            return Ok(());
        }
        Err(Error::new("plugin/restore", "the checkpoint holds state that this objective does not keep")
            .help("load it with the version of the plugin that wrote it"))
    }
}

/// Columns computed from the samples on data threads.
pub trait Collate: Objective {
    /// Adds columns to the batch. A pure function of samples and their draws: no tensors, no state.
    ///
    /// # Errors
    /// When a sample lacks a column.
    fn collate(&self, samples: &Samples<'_>) -> Result<()>;
}

/// Predictions of a trained objective, for filling gaps and for evaluators.
pub trait Evaluate: Objective {
    /// Logits `[c, v]` for the rows `rows_c` (`i64`) of a batch whose gaps hold the mask token.
    ///
    /// # Errors
    /// When the batch lacks a column or a model fails.
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor>;
}

/// One of several losses in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Phase {
    name: String,
    roles: Vec<String>,
    own: Vec<String>,
}

impl Phase {
    /// A phase that trains the models in these roles and the heads that the objective asked them for. Its name stands in
    /// metrics and checkpoints. A weight that roles of several phases share is trained by each of them.
    pub fn new(name: impl Into<String>, roles: &[&str]) -> Self {
        Self { name: name.into(), roles: owned(roles), own: Vec::new() }
    }

    /// It also trains these weights of the objective's own, by their names below its scope, or below a scope in it.
    pub fn own(mut self, names: &[&str]) -> Self {
        self.own = owned(names);
        self
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Several losses in a step, each followed by its own backward pass and a step of its own optimizer, all of them made
/// from the experiment's `[optimizer]`.
///
/// [`Objective::loss`] remains what held-out data is measured by.
pub trait Phases: Objective {
    /// The phases in order, asked for once. None at all: [`Objective::loss`] trains everything together.
    fn phases(&self) -> Vec<Phase>;

    /// The loss of a phase. `carry` takes tensors from phase to phase of one step; the host detaches them.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn phase_loss(&self, phase: usize, carry: &Batch, batch: &Batch) -> Result<Loss>;
}

pub(crate) fn phases_json(phases: &[Phase]) -> String {
    let rows = phases.iter().map(|phase| json!({ "name": phase.name, "roles": phase.roles, "own": phase.own }));
    Value::Array(rows.collect()).to_string()
}

/// A loss over the representations of the whole global batch.
pub trait Couple: Objective {
    /// Puts the representations of a micro-batch.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn represent(&self, batch: &Batch, out: &Batch) -> Result<()>;

    /// The loss over all of them; `batch` is the micro-batch whose share it is.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn couple(&self, all: &Batch, batch: &Batch) -> Result<Loss>;
}

/// What is gathered before learning: samples decoded, scored, compared with a reference. Laid out for on-policy objectives;
/// hosts of this boundary refuse it by name.
pub trait Experience: Objective {
    /// Turns the global batch, before it is divided, into the one to learn from. Runs without gradients.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn experience(&self, batch: &Batch, out: &Batch) -> Result<()>;
}

/// A look at the gradients between backward pass and clipping.
pub trait Gradients: Objective {
    /// Reads and replaces gradients.
    ///
    /// # Errors
    /// When a weight is not one of this run.
    fn gradients(&self, access: &GradientAccess) -> Result<()>;
}

/// The gradients of a step.
pub struct GradientAccess(pub(crate) Object);

impl GradientAccess {
    /// The gradient of a weight, `None` where it got none.
    ///
    /// # Errors
    /// When the weight is not one of this run.
    pub fn gradient(&self, weight: &Weight) -> Result<Option<Tensor>> {
        Ok(weights::gradient(&self.0, weight.object())?.map(Tensor::from_object))
    }

    /// Replaces it.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn set_gradient(&self, weight: &Weight, gradient: &Tensor) -> Result<()> {
        weights::set_gradient(&self.0, weight.object(), gradient.object())
    }
}

/// A loss as sums with their counts, so that the host can divide by the count of the global batch.
///
/// total = Σ over parts of weight · Σ sum / Σ count
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Loss {
    parts: Vec<(String, f64, Tensor, Tensor)>,
    metrics: Vec<(String, Tensor, Tensor)>,
    targets: Option<Tensor>,
    pub(crate) items: Vec<Item>,
    fault: Option<Error>,
}

impl Loss {
    /// Without any part yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One part, named `loss`: the sum of `values` (any shape), counted by their number.
    #[track_caller]
    pub fn sum_over(values: &Tensor) -> Self {
        Self::new().and("loss", 1.0, values)
    }

    /// One part, named `loss`: the sum of `values` where `counted` (truth values of the same shape), counted by those.
    #[track_caller]
    pub fn sum_where(values: &Tensor, counted: &Tensor) -> Self {
        let kept = values.fill_where(!counted, 0.0);
        Self::new().part("loss", 1.0, &kept.sum(), &counted.count_true())
    }

    /// A further part: the sum of `values`, counted by their number.
    #[track_caller]
    pub fn and(mut self, name: &str, weight: f64, values: &Tensor) -> Self {
        let count = self.number_of(values);
        let sum = values.sum();
        self.part(name, weight, &sum, &count)
    }

    /// A part by its sum and count, both scalars. A part with weight 0 is reported only.
    pub fn part(mut self, name: &str, weight: f64, sum: &Tensor, count: &Tensor) -> Self {
        self.parts.push((name.to_owned(), weight, sum.clone(), count.clone()));
        self
    }

    /// A metric: the mean of `values` (truth values count as 0 and 1) over the global batch, without gradient.
    #[track_caller]
    pub fn metric(mut self, name: &str, values: &Tensor) -> Self {
        let count = self.number_of(values);
        let sum = match values.dtype() {
            Ok(DType::Bool) => values.count_true(),
            Ok(dtype) if dtype.is_float() => values.stop_gradient().sum(),
            Ok(_) => values.cast(DType::F32).sum(),
            Err(fault) => {
                self.fault.get_or_insert(fault);
                return self;
            }
        };
        self.metrics.push((name.to_owned(), sum, count));
        self
    }

    /// A metric by its sum and count, both scalars.
    pub fn metric_part(mut self, name: &str, sum: &Tensor, count: &Tensor) -> Self {
        self.metrics.push((name.to_owned(), sum.stop_gradient(), count.clone()));
        self
    }

    /// The token ids that the loss predicted, so that baselines can look at the same positions.
    pub fn targets(mut self, targets_c: &Tensor) -> Self {
        self.targets = Some(targets_c.clone());
        self
    }

    /// The number of elements as a tensor. Reading the shape takes a fault out of the host, so it is kept here and
    /// returned with the loss.
    #[track_caller]
    fn number_of(&mut self, values: &Tensor) -> Tensor {
        match values.count() {
            Ok(count) => Tensor::scalar(count as f32),
            Err(fault) => {
                self.fault.get_or_insert(fault);
                values.clone()
            }
        }
    }

    /// Hands everything over to the host's collector.
    pub(crate) fn hand_over(self, collector: &Object) -> Result<()> {
        if self.parts.is_empty() && self.fault.is_none() {
            return Err(Error::new("plugin/loss", "the loss has no part")
                .without_place()
                .help("begin with `Loss::sum_over(&values)`, or add a part with `.and(name, weight, &values)`"));
        }
        self.hand_over_any(collector)
    }

    /// The same where there need be no part.
    pub(crate) fn hand_over_any(self, collector: &Object) -> Result<()> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        for (name, weight, sum, count) in &self.parts {
            calls::part(collector, name, *weight, sum.object(), count.object())?;
        }
        for (name, sum, count) in &self.metrics {
            calls::metric(collector, name, sum.object(), count.object())?;
        }
        for item in &self.items {
            item.hand_over(collector)?;
        }
        match &self.targets {
            Some(targets) => calls::targets(collector, targets.object()),
            None => Ok(()),
        }
    }
}

/// First-order gradients of `outputs` with respect to `wrt`, without touching what the step accumulates; `None` where
/// an output does not depend on it. `seeds` start the pass, ones where `None`; `keep` leaves the tape for the step's
/// own pass.
///
/// # Errors
/// When the tape does not reach that far.
pub fn grad(
    outputs: &[&Tensor],
    seeds: &[Option<&Tensor>],
    wrt: &[&dyn HostObject],
    keep: bool,
) -> Result<Vec<Option<Tensor>>> {
    gradients::grad(outputs, seeds, wrt, keep)
}

/// Gives `outputs`, computed without gradients from `inputs`, a backward pass of their own, made of tensor operations.
///
/// `backward` gets `saved` and the gradients of the outputs (`None` where none came) and returns a gradient, or `None`,
/// for each input. It is called on the thread of the step.
#[track_caller]
#[must_use]
pub fn custom<F>(name: &str, inputs: &[&Tensor], outputs: &[&Tensor], saved: &[&Tensor], backward: F) -> Vec<Tensor>
where
    F: Fn(&[Tensor], &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
{
    gradients::custom(name, inputs, outputs, saved, backward, std::panic::Location::caller())
}
