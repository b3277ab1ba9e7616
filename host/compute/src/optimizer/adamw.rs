//! AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; Kingma & Ba 2015, arXiv:1412.6980).

use std::collections::BTreeMap;

use super::groups::{Groups, Item, Plan};
use super::slots::{Rule, Slots};
use super::{Optimizer, Settings, StepReport, in_range};
use crate::kernel::{Real, vectorised};
use crate::weights::{Saved, Weights};
use crate::{Gradients, Result, Value};

/// Settings of [`AdamW`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the first and second moment, 0 to below 1.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), epsilon: 1e-8, groups: Groups::default() }
    }
}

/// Adam with decoupled weight decay, bias correction, and moments in the master's precision.
///
/// The decay of a step is learning rate · weight decay · value, as in common implementations; the paper's schedule factor
/// is the learning rate here.
pub struct AdamW {
    settings: AdamWSettings,
    slots: Slots<2>,
}

impl AdamW {
    /// A fresh optimizer.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: AdamWSettings) -> Result<Self> {
        in_range("beta1", settings.betas.0, 0.0..1.0)?;
        in_range("beta2", settings.betas.1, 0.0..1.0)?;
        in_range("epsilon", settings.epsilon, 0.0..f64::INFINITY)?;
        settings.groups.check()?;
        Ok(Self { settings, slots: Slots::new("adamw", ["first", "second"]) })
    }

    /// Changes the weights of a plan.
    pub(super) fn step_plan(&mut self, plan: Plan, gradients: &mut Gradients) -> Result<StepReport> {
        self.slots.step(&self.settings, plan, gradients)
    }
}

pub(super) fn make(settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let Settings { betas, epsilon, groups, .. } = settings.clone();
    Ok(Box::new(AdamW::new(AdamWSettings { betas, epsilon, groups })?))
}

impl Optimizer for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, learning_rate: f64) -> Result<StepReport> {
        let plan = self.settings.groups.plan(weights, gradients, learning_rate)?;
        self.step_plan(plan, gradients)
    }

    fn state(&self) -> Result<Vec<Saved>> {
        self.slots.state()
    }

    fn load_state(&mut self, weights: &Weights, state: &BTreeMap<String, Saved>) -> Result<()> {
        self.slots.load_state(weights, state)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Coefficients {
    betas: (f64, f64),
    epsilon: f64,
    /// 1 − learning rate · decay.
    keep: f64,
    /// Learning rate over the first moment's bias correction.
    rate: f64,
    /// One over the root of the second moment's bias correction.
    root: f64,
}

#[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
impl From<Coefficients> for crate::cuda::Rates {
    fn from(c: Coefficients) -> Self {
        let Coefficients { betas, epsilon, keep, rate, root } = c;
        Self { betas, epsilon, keep, rate, root }
    }
}

impl Rule<2> for AdamWSettings {
    type Coefficients = Coefficients;

    fn coefficients(&self, item: &Item, steps: u64) -> Coefficients {
        let steps = steps as f64;
        Coefficients {
            betas: self.betas,
            epsilon: self.epsilon,
            keep: 1.0 - item.learning_rate * item.weight_decay,
            rate: item.learning_rate / (1.0 - self.betas.0.powf(steps)),
            root: 1.0 / (1.0 - self.betas.1.powf(steps)).sqrt(),
        }
    }

    fn chunk<T: Real>(
        c: Coefficients,
        factor: f64,
        out: &mut [T],
        value: &[T],
        gradient: &[T],
        moments: [&mut [T]; 2],
    ) {
        let [first, second] = moments;
        change(c, factor, out, value, gradient, first, second);
    }

    fn plain(c: Coefficients, value: &Value, gradient: &Value, moments: &[Value; 2]) -> Result<(Value, [Value; 2])> {
        #[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
        if let Some(changed) = crate::cuda::adamw(c.into(), value, gradient, moments)? {
            return Ok(changed);
        }
        let first = ((&moments[0] * c.betas.0)? + (gradient * (1.0 - c.betas.0))?)?;
        let second = ((&moments[1] * c.betas.1)? + (gradient.sqr()? * (1.0 - c.betas.1))?)?;
        let divisor = ((second.sqrt()? * c.root)? + c.epsilon)?;
        let value = ((value * c.keep)? - ((&first * c.rate)? / divisor)?)?;
        Ok((value, [first, second]))
    }
}

vectorised! {
    fn change<T>(
        c: Coefficients,
        factor: f64,
        out: &mut [T],
        value: &[T],
        gradient: &[T],
        first: &mut [T],
        second: &mut [T],
    ) {
        let (beta1, beta2) = (T::of(c.betas.0), T::of(c.betas.1));
        let (rest1, rest2) = (T::of(1.0 - c.betas.0), T::of(1.0 - c.betas.1));
        let (keep, rate, root, epsilon) = (T::of(c.keep), T::of(c.rate), T::of(c.root), T::of(c.epsilon));
        let factor = T::of(factor);
        let elements = out.iter_mut().zip(value).zip(gradient).zip(first.iter_mut().zip(second));
        for (((out, value), gradient), (first, second)) in elements {
            let gradient = factor * *gradient;
            *first = beta1 * *first + rest1 * gradient;
            *second = beta2 * *second + rest2 * gradient * gradient;
            *out = keep * *value - rate * *first / (second.sqrt() * root + epsilon);
        }
    }
}
