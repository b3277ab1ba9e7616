//! Adafactor (Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5): the second moment of a matrix by its rows and
//! columns.

use std::collections::BTreeMap;

use candle_core::D;

use super::groups::{Groups, Item};
use super::memory::Remembered;
use super::whole::{Whole, WholeRule, root_mean_square};
use super::{Optimizer, Settings, StepReport, in_range};
use crate::weights::{Saved, Weights};
use crate::{Gradients, Result, Value};

/// Settings of [`Adafactor`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdafactorSettings {
    /// Decay of a first moment, 0 to below 1; 0 keeps none.
    pub beta1: f64,
    /// The second moment keeps `1 − step^-this`.
    pub decay_exponent: f64,
    /// Added to squared gradients.
    pub epsilon: f64,
    /// The least size of a weight that its rate is scaled by.
    pub scale_epsilon: f64,
    /// The largest root mean square of a step before the rate.
    pub update_clip: f64,
    /// The rate counts in sizes of the weight (its root mean square).
    pub scale_parameter: bool,
    /// The rate is `min(0.01, 1 / √step)` times the group's scale, whatever learning rate the step is given.
    pub relative_step: bool,
    /// With a relative step: it begins at 10⁻⁶ · step.
    pub warmup_init: bool,
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

/// Adafactor as transformers has it: weights of two axes and more are factored along their last two; decay is rate · decay ·
/// value.
pub struct Adafactor {
    settings: AdafactorSettings,
    memory: Whole,
}

impl Adafactor {
    /// A fresh optimizer.
    ///
    /// # Errors
    /// When a setting is out of range, or a warm-up belongs to no relative step.
    pub fn new(settings: AdafactorSettings) -> Result<Self> {
        in_range("beta1", settings.beta1, 0.0..1.0)?;
        in_range("decay_exponent", settings.decay_exponent, f64::MIN_POSITIVE..f64::INFINITY)?;
        in_range("epsilon", settings.epsilon, 0.0..f64::INFINITY)?;
        in_range("scale_epsilon", settings.scale_epsilon, 0.0..f64::INFINITY)?;
        in_range("update_clip", settings.update_clip, f64::MIN_POSITIVE..f64::INFINITY)?;
        if settings.warmup_init && !settings.relative_step {
            return Err(crate::Error::argument("optimizer", "`warmup_init` needs `relative_step`"));
        }
        settings.groups.check()?;
        Ok(Self { settings, memory: Whole::new("adafactor") })
    }
}

pub(super) fn make(settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let Settings { betas: (beta1, _), epsilon, groups, adafactor, .. } = settings.clone();
    Ok(Box::new(Adafactor::new(AdafactorSettings { beta1, epsilon, groups, ..adafactor })?))
}

impl Default for AdafactorSettings {
    fn default() -> Self {
        Self {
            beta1: 0.0,
            decay_exponent: 0.8,
            epsilon: 1e-30,
            scale_epsilon: 1e-3,
            update_clip: 1.0,
            scale_parameter: true,
            relative_step: false,
            warmup_init: false,
            groups: Groups::default(),
        }
    }
}

impl Optimizer for Adafactor {
    fn name(&self) -> &'static str {
        "adafactor"
    }

    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, learning_rate: f64) -> Result<StepReport> {
        let plan = self.settings.groups.plan(weights, gradients, learning_rate)?;
        self.memory.step(&self.settings, plan, gradients)
    }

    fn state(&self) -> Result<Vec<Saved>> {
        self.memory.state()
    }

    fn load_state(&mut self, weights: &Weights, state: &BTreeMap<String, Saved>) -> Result<()> {
        self.memory.load_state(&self.settings, weights, state)
    }
}

impl WholeRule for AdafactorSettings {
    fn remembers(&self, shape: &[usize]) -> Vec<Remembered> {
        let mut remembered = match shape {
            [outer @ .., rows, columns] => {
                vec![("row", [outer, &[*rows]].concat()), ("column", [outer, &[*columns]].concat())]
            }
            other => vec![("second", other.to_vec())],
        };
        if self.beta1 > 0.0 {
            remembered.push(("first", shape.to_vec()));
        }
        remembered
    }

    fn change(&self, item: &Item, gradient: &Value, steps: u64, memory: &mut [Value]) -> Result<Value> {
        let time = steps as f64;
        let mut rate = item.learning_rate;
        if self.relative_step {
            let most = if self.warmup_init { 1e-6 * time } else { 1e-2 };
            rate = item.scale * most.min(1.0 / time.sqrt());
        }
        if self.scale_parameter {
            rate *= root_mean_square(&item.value)?.max(self.scale_epsilon);
        }
        let keep = 1.0 - time.powf(-self.decay_exponent);
        let mixed = |old: &Value, new: &Value| -> Result<Value> { Ok(((old * keep)? + (new * (1.0 - keep))?)?) };
        let squares = (gradient.sqr()? + self.epsilon)?;
        let mut update = if gradient.rank() < 2 {
            memory[0] = mixed(&memory[0], &squares)?;
            (gradient / memory[0].sqrt()?)?
        } else {
            memory[0] = mixed(&memory[0], &squares.mean(D::Minus1)?)?;
            memory[1] = mixed(&memory[1], &squares.mean(D::Minus2)?)?;
            let rows = memory[0].broadcast_div(&memory[0].mean_keepdim(D::Minus1)?)?;
            let root = rows.unsqueeze(D::Minus1)?.broadcast_mul(&memory[1].unsqueeze(D::Minus2)?)?.sqrt()?;
            (gradient / root)?
        };
        let size = root_mean_square(&update)?;
        update = (update * (rate / (size / self.update_clip).max(1.0)))?;
        if self.beta1 > 0.0
            && let Some(first) = memory.last_mut()
        {
            *first = ((&*first * self.beta1)? + (update * (1.0 - self.beta1))?)?;
            update = first.clone();
        }
        Ok(((&item.value * (1.0 - rate * item.weight_decay))? - update)?)
    }
}
