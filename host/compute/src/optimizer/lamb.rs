//! LAMB (You et al. 2020, arXiv:1904.00962, algorithm 2): Adam whose steps are as long as the weights are.

use std::collections::BTreeMap;

use super::clip::norm_of;
use super::groups::{Groups, Item};
use super::memory::Remembered;
use super::whole::{Whole, WholeRule};
use super::{Optimizer, Settings, StepReport, in_range};
use crate::weights::{Saved, Weights};
use crate::{Gradients, Result, Value};

/// Settings of [`Lamb`].
#[derive(Debug, Clone, PartialEq)]
pub struct LambSettings {
    /// Decay of the first and second moment, 0 to below 1.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// The largest ratio of a weight's norm to its step's; 0 for none.
    pub trust_clip: f64,
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

/// `u = m̂ / (√v̂ + ε) + decay · x`, `x ← x − rate · |x| / |u| · u`.
///
/// As in the implementations in use (timm, that of LTG-BERT) the ratio is 1 for weights without decay, such as biases and
/// norms, and where one of the norms is 0; the paper's φ is the identity.
pub struct Lamb {
    settings: LambSettings,
    memory: Whole,
}

impl Lamb {
    /// A fresh optimizer.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: LambSettings) -> Result<Self> {
        in_range("beta1", settings.betas.0, 0.0..1.0)?;
        in_range("beta2", settings.betas.1, 0.0..1.0)?;
        in_range("epsilon", settings.epsilon, 0.0..f64::INFINITY)?;
        in_range("trust_clip", settings.trust_clip, 0.0..f64::INFINITY)?;
        settings.groups.check()?;
        Ok(Self { settings, memory: Whole::new("lamb") })
    }
}

pub(super) fn make(settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let Settings { betas, epsilon, trust_clip, groups, .. } = settings.clone();
    Ok(Box::new(Lamb::new(LambSettings { betas, epsilon, trust_clip, groups })?))
}

impl Optimizer for Lamb {
    fn name(&self) -> &'static str {
        "lamb"
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

impl WholeRule for LambSettings {
    fn remembers(&self, shape: &[usize]) -> Vec<Remembered> {
        vec![("first", shape.to_vec()), ("second", shape.to_vec())]
    }

    fn change(&self, item: &Item, gradient: &Value, steps: u64, memory: &mut [Value]) -> Result<Value> {
        let ((beta1, beta2), steps) = (self.betas, steps as f64);
        memory[0] = ((&memory[0] * beta1)? + (gradient * (1.0 - beta1))?)?;
        memory[1] = ((&memory[1] * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
        let root = (&memory[1] * (1.0 / (1.0 - beta2.powf(steps))))?.sqrt()?;
        let mut update = ((&memory[0] * (1.0 / (1.0 - beta1.powf(steps))))? / (root + self.epsilon)?)?;
        let mut ratio = 1.0;
        if item.weight_decay > 0.0 {
            update = (update + (&item.value * item.weight_decay)?)?;
            let [own, step] = [norm_of(std::iter::once(&item.value))?, norm_of(std::iter::once(&update))?];
            if own > 0.0 && step > 0.0 {
                ratio = own / step;
            }
            if self.trust_clip > 0.0 {
                ratio = ratio.min(self.trust_clip);
            }
        }
        Ok((&item.value - (update * (item.learning_rate * ratio))?)?)
    }
}
