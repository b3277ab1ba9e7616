//! Optimizers: how gradients change weights. One pass over all weights, with clipping folded in.
//!
//! A rule that changes each element by itself has a kernel (`slots`); one that needs a weight's norm, rows or products is made
//! of plain operations (`whole`). An optimizer is an item of [`OPTIMIZERS`]; others join by a line there. Its state is named bytes
//! like that of weights. A step whose gradients are not finite changes nothing and says so.

mod accumulate;
mod adafactor;
mod adamw;
mod clip;
mod ema;
mod groups;
mod lamb;
mod lion;
mod memory;
mod muon;
mod sgd;
mod slots;
mod whole;

#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use accumulate::scale;
pub use adafactor::{Adafactor, AdafactorSettings};
pub use adamw::{AdamW, AdamWSettings};
pub use clip::{GradientNorm, clip_by_global_norm, global_norm};
pub use ema::Ema;
pub use groups::{Group, Groups, matches_glob};
pub use lamb::{Lamb, LambSettings};
pub use lion::{Lion, LionSettings};
pub use muon::{Muon, MuonAdjust, MuonSettings};
pub use sgd::{Sgd, SgdSettings};

use crate::weights::{Saved, Weights};
use crate::{Error, Gradients, Result};

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Weights that changed.
    pub updated: usize,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The factor that clipping applied; 1 when it did not.
    pub clip_factor: f64,
    /// The norm was not finite: nothing was changed.
    pub skipped: bool,
}

/// Changes weights by their gradients.
pub trait Optimizer: Send {
    /// Its name in [`OPTIMIZERS`].
    fn name(&self) -> &'static str;

    /// One step at this learning rate. Takes the gradients of the weights it changes out of `gradients`; weights
    /// without a gradient stay as they are. When the norm is not finite nothing changes, gradients included.
    ///
    /// # Errors
    /// When a gradient does not fit its weight or the device fails.
    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, learning_rate: f64) -> Result<StepReport>;

    /// All it must remember between steps, sorted by name.
    ///
    /// # Errors
    /// When the device fails.
    fn state(&self) -> Result<Vec<Saved>>;

    /// Replaces what it remembers.
    ///
    /// # Errors
    /// When names are not its own, or values do not fit the weights they belong to.
    fn load_state(&mut self, weights: &Weights, state: &BTreeMap<String, Saved>) -> Result<()>;
}

/// Settings that optimizers share; each reads those it knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Decay of first and second moment; Lion's two shares; of Adafactor the first.
    pub betas: (f64, f64),
    /// The ε of AdamW and LAMB; Adafactor's for squared gradients.
    pub epsilon: f64,
    /// The momentum of SGD and Muon.
    pub momentum: f64,
    /// SGD and Muon: look ahead along the momentum.
    pub nesterov: bool,
    /// LAMB's largest ratio of norms; 0 for none.
    pub trust_clip: f64,
    /// What else Adafactor has.
    pub adafactor: AdafactorSettings,
    /// What else Muon has.
    pub muon: MuonSettings,
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

impl Default for Settings {
    fn default() -> Self {
        let adamw = AdamWSettings::default();
        Self {
            betas: adamw.betas,
            epsilon: adamw.epsilon,
            momentum: 0.9,
            nesterov: false,
            trust_clip: 0.0,
            adafactor: AdafactorSettings::default(),
            muon: MuonSettings::default(),
            groups: Groups::default(),
        }
    }
}

/// One line of [`OPTIMIZERS`].
pub struct OptimizerItem {
    /// Its name in settings.
    pub name: &'static str,
    /// One line on what it is, with the paper.
    pub doc: &'static str,
    /// Makes it.
    pub make: fn(&Settings) -> Result<Box<dyn Optimizer>>,
}

/// All optimizers.
pub const OPTIMIZERS: &[OptimizerItem] = &[
    OptimizerItem {
        name: "adamw",
        doc: "Adam with decoupled weight decay; Loshchilov & Hutter 2019, arXiv:1711.05101",
        make: adamw::make,
    },
    OptimizerItem {
        name: "lamb",
        doc: "Adam in steps as long as the weights are; You et al. 2020, arXiv:1904.00962",
        make: lamb::make,
    },
    OptimizerItem {
        name: "adafactor",
        doc: "second moments by rows and columns; Shazeer & Stern 2018, arXiv:1804.04235",
        make: adafactor::make,
    },
    OptimizerItem { name: "lion", doc: "signs of an average; Chen et al. 2023, arXiv:2302.06675", make: lion::make },
    OptimizerItem {
        name: "muon",
        doc: "orthogonal momentum for matrices, AdamW for the rest; Jordan et al. 2024",
        make: muon::make,
    },
    OptimizerItem { name: "sgd", doc: "gradient descent with momentum; Sutskever et al. 2013", make: sgd::make },
];

/// The optimizer called `name`.
///
/// # Errors
/// When there is none of this name, or a setting is out of range.
pub fn optimizer(name: &str, settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let item = OPTIMIZERS.iter().find(|item| item.name == name).ok_or_else(|| {
        let names: Vec<&str> = OPTIMIZERS.iter().map(|item| item.name).collect();
        Error::argument("optimizer", format!("there is no optimizer `{name}`; there are {}", names.join(", ")))
    })?;
    (item.make)(settings)
}

/// An error unless `value` lies in `range`.
fn in_range(what: &str, value: f64, range: std::ops::Range<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let fact = format!("{what} is {value}; it must be at least {} and below {}", range.start, range.end);
    Err(Error::argument("optimizer", fact))
}
