//! What a loss is made of: parts, metrics and the targets behind them.

use std::sync::{Mutex, PoisonError};

use compute::Tensor;

use super::call::{Auxiliary, BufferUpdate};
use super::items::{self, BatchItem};
use crate::error::{Error, Result};

/// A part of the loss: total = Σ weight · Σ sum / Σ count over the global batch.
#[derive(Debug, Clone)]
pub struct LossPart {
    /// Its name.
    pub name: String,
    /// Its weight in the total.
    pub weight: f64,
    /// Scalar, with gradient.
    pub sum: Tensor,
    /// Scalar, without.
    pub count: Tensor,
}

/// A metric, reported as Σ sum / Σ count.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Scalar, without gradient.
    pub sum: Tensor,
    /// Scalar, without gradient.
    pub count: Tensor,
}

/// Pictures of the samples of a batch, for people.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What they show.
    pub name: String,
    /// `[b, k, c, h, w]`, k of each sample; without gradient.
    pub pictures: Tensor,
    /// Whether they are pixels as models see them; otherwise levels of light from 0 to 1.
    pub as_pixels: bool,
}

/// The result of one loss call.
#[derive(Default)]
pub struct LossResult {
    /// The parts, at least one.
    pub parts: Vec<LossPart>,
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// The ids that were predicted, for baselines on the same positions.
    pub targets: Option<Tensor>,
    /// Losses from inside models.
    pub auxiliaries: Vec<Auxiliary>,
    /// Changes of buffers for after the step.
    pub updates: Vec<BufferUpdate>,
    /// Results of single samples, in evaluation only.
    pub items: Vec<BatchItem>,
    /// Pictures for people, in evaluation only.
    pub shown: Vec<Shown>,
    /// Figures over all samples, where those were asked for.
    pub figures: Vec<(String, f64)>,
}

/// Takes the parts of a loss while the plugin computes it.
#[derive(Default)]
pub struct LossCollector(Mutex<LossResult>);

impl LossCollector {
    pub(super) fn part(&self, part: LossPart) -> Result<()> {
        scalar("the sum", &part.name, &part.sum)?;
        scalar("the count", &part.name, &part.count)?;
        let mut result = self.lock();
        if result.parts.iter().any(|other| other.name == part.name) {
            return Err(Error::new("loss/name", format!("the loss has two parts named `{}`", part.name)));
        }
        let count = part.count.stop_gradient();
        result.parts.push(LossPart { count, ..part });
        Ok(())
    }

    pub(super) fn metric(&self, metric: Metric) -> Result<()> {
        scalar("the sum", &metric.name, &metric.sum)?;
        scalar("the count", &metric.name, &metric.count)?;
        let mut result = self.lock();
        if result.metrics.iter().any(|other| other.name == metric.name) {
            return Err(Error::new("loss/name", format!("the loss has two metrics named `{}`", metric.name)));
        }
        let (sum, count) = (metric.sum.stop_gradient(), metric.count.stop_gradient());
        result.metrics.push(Metric { name: metric.name, sum, count });
        Ok(())
    }

    pub(super) fn targets(&self, targets: Tensor) -> Result<()> {
        let mut result = self.lock();
        if result.targets.is_some() {
            return Err(Error::new("loss/targets", "the targets of the loss are given twice")
                .with_help("concatenate them with `cat` and give them once"));
        }
        result.targets = Some(targets.stop_gradient());
        Ok(())
    }

    pub(super) fn item(&self, item: BatchItem) -> Result<()> {
        items::check(&item)?;
        let mut result = self.lock();
        if result.items.iter().any(|other| other.name == item.name) {
            return Err(Error::new("loss/name", format!("the samples have two items named `{}`", item.name)));
        }
        let values = item.values.stop_gradient();
        result.items.push(BatchItem { values, ..item });
        Ok(())
    }

    pub(super) fn shown(&self, shown: Shown) -> Result<()> {
        let dims = shown.pictures.dims();
        if dims.len() != 5 || dims[1..].contains(&0) {
            let text =
                format!("the pictures `{}` have shape {dims:?}, not [samples, k, channels, height, width]", shown.name);
            return Err(Error::new("plugin/shape", text));
        }
        let mut result = self.lock();
        if result.shown.iter().any(|other| other.name == shown.name) {
            return Err(Error::new("loss/name", format!("pictures named `{}` are given twice", shown.name)));
        }
        let pictures = shown.pictures.stop_gradient();
        result.shown.push(Shown { pictures, ..shown });
        Ok(())
    }

    pub(super) fn figure(&self, name: &str, value: f64) -> Result<()> {
        let mut result = self.lock();
        if name.is_empty() || matches!(name, "step" | "split") {
            return Err(Error::new("loss/name", format!("a figure cannot be named `{name}`")));
        }
        if result.figures.iter().any(|(other, _)| other == name) {
            return Err(Error::new("loss/name", format!("there are two figures named `{name}`")));
        }
        result.figures.push((name.to_owned(), value));
        Ok(())
    }

    pub(super) fn take(&self) -> LossResult {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LossResult> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn scalar(what: &str, name: &str, tensor: &Tensor) -> Result<()> {
    if tensor.elements() == 1 {
        return Ok(());
    }
    let text = format!("{what} of `{name}` has shape {:?}; it must be one number", tensor.dims());
    Err(Error::new("plugin/shape", text).with_help("sum it over all axes with `.sum()`"))
}
