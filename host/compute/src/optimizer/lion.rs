//! Lion (Chen et al. 2023, arXiv:2302.06675, algorithm 2): steps of one size, by the sign of an average.

use std::collections::BTreeMap;

use super::groups::{Groups, Item};
use super::slots::{Rule, Slots};
use super::{Optimizer, Settings, StepReport, in_range};
use crate::kernel::Real;
use crate::weights::{Saved, Weights};
use crate::{Gradients, Result, Value};

/// Settings of [`Lion`].
#[derive(Debug, Clone, PartialEq)]
pub struct LionSettings {
    /// Share of the average in the direction of a step, and share of it that is kept; 0 to below 1.
    pub betas: (f64, f64),
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

/// `x ← (1 − rate · decay) · x − rate · sign(β₁ · m + (1 − β₁) · g)`, then `m ← β₂ · m + (1 − β₂) · g`.
pub struct Lion {
    settings: LionSettings,
    slots: Slots<1>,
}

impl Lion {
    /// A fresh optimizer.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(settings: LionSettings) -> Result<Self> {
        in_range("beta1", settings.betas.0, 0.0..1.0)?;
        in_range("beta2", settings.betas.1, 0.0..1.0)?;
        settings.groups.check()?;
        Ok(Self { settings, slots: Slots::new("lion", ["average"]) })
    }
}

pub(super) fn make(settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let Settings { betas, groups, .. } = settings.clone();
    Ok(Box::new(Lion::new(LionSettings { betas, groups })?))
}

impl Optimizer for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn step(&mut self, weights: &Weights, gradients: &mut Gradients, learning_rate: f64) -> Result<StepReport> {
        let plan = self.settings.groups.plan(weights, gradients, learning_rate)?;
        self.slots.step(&self.settings, plan, gradients)
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
    /// 1 − learning rate · decay.
    keep: f64,
    rate: f64,
}

impl Rule<1> for LionSettings {
    type Coefficients = Coefficients;

    fn coefficients(&self, item: &Item, _: u64) -> Coefficients {
        Coefficients { betas: self.betas, keep: 1.0 - item.learning_rate * item.weight_decay, rate: item.learning_rate }
    }

    fn chunk<T: Real>(
        c: Coefficients,
        factor: f64,
        out: &mut [T],
        value: &[T],
        gradient: &[T],
        moments: [&mut [T]; 1],
    ) {
        let [average] = moments;
        let (beta1, beta2) = (T::of(c.betas.0), T::of(c.betas.1));
        let (rest1, rest2) = (T::of(1.0 - c.betas.0), T::of(1.0 - c.betas.1));
        let (keep, rate, factor) = (T::of(c.keep), T::of(c.rate), T::of(factor));
        for (((out, value), gradient), average) in out.iter_mut().zip(value).zip(gradient).zip(average) {
            let gradient = factor * *gradient;
            let direction = beta1 * *average + rest1 * gradient;
            let step = if direction > T::zero() {
                rate
            } else if direction < T::zero() {
                -rate
            } else {
                T::zero()
            };
            *out = keep * *value - step;
            *average = beta2 * *average + rest2 * gradient;
        }
    }

    fn plain(c: Coefficients, value: &Value, gradient: &Value, moments: &[Value; 1]) -> Result<(Value, [Value; 1])> {
        let direction = ((&moments[0] * c.betas.0)? + (gradient * (1.0 - c.betas.0))?)?;
        let average = ((&moments[0] * c.betas.1)? + (gradient * (1.0 - c.betas.1))?)?;
        Ok((((value * c.keep)? - (direction.sign()? * c.rate)?)?, [average]))
    }
}
