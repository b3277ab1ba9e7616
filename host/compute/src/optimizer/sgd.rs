//! Gradient descent with momentum (Sutskever et al. 2013, "On the importance of initialization and momentum").

use std::collections::BTreeMap;

use super::groups::{Groups, Item};
use super::slots::{Rule, Slots};
use super::{Optimizer, Settings, StepReport, in_range};
use crate::kernel::Real;
use crate::weights::{Saved, Weights};
use crate::{Error, Gradients, Result, Value};

/// Settings of [`Sgd`].
#[derive(Debug, Clone, PartialEq)]
pub struct SgdSettings {
    /// Share of the velocity that is kept, 0 to below 1; 0 is plain descent.
    pub momentum: f64,
    /// Look ahead along the velocity.
    pub nesterov: bool,
    /// Which weights, with which rates and decays, and the largest norm.
    pub groups: Groups,
}

/// `v ← momentum · v + g`, `x ← x − rate · v` (or `g + momentum · v` with Nesterov), where `g` holds weight decay `decay · x`.
///
/// As in common implementations the rate stands outside of the velocity, and decay is part of the gradient.
pub struct Sgd {
    settings: SgdSettings,
    slots: Slots<1>,
}

impl Sgd {
    /// A fresh optimizer.
    ///
    /// # Errors
    /// When a setting is out of range, or Nesterov is asked for without momentum.
    pub fn new(settings: SgdSettings) -> Result<Self> {
        in_range("momentum", settings.momentum, 0.0..1.0)?;
        if settings.nesterov && settings.momentum == 0.0 {
            return Err(Error::argument("optimizer", "`nesterov` needs a momentum above 0"));
        }
        settings.groups.check()?;
        Ok(Self { settings, slots: Slots::new("sgd", ["velocity"]) })
    }
}

pub(super) fn make(settings: &Settings) -> Result<Box<dyn Optimizer>> {
    let Settings { momentum, nesterov, groups, .. } = settings.clone();
    Ok(Box::new(Sgd::new(SgdSettings { momentum, nesterov, groups })?))
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
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
    rate: f64,
    decay: f64,
    momentum: f64,
    nesterov: bool,
}

impl Rule<1> for SgdSettings {
    type Coefficients = Coefficients;

    fn coefficients(&self, item: &Item, _: u64) -> Coefficients {
        Coefficients {
            rate: item.learning_rate,
            decay: item.weight_decay,
            momentum: self.momentum,
            nesterov: self.nesterov,
        }
    }

    fn chunk<T: Real>(
        c: Coefficients,
        factor: f64,
        out: &mut [T],
        value: &[T],
        gradient: &[T],
        moments: [&mut [T]; 1],
    ) {
        let [velocity] = moments;
        let (rate, decay, momentum, factor) = (T::of(c.rate), T::of(c.decay), T::of(c.momentum), T::of(factor));
        // With Nesterov the step is gradient + momentum · velocity, else the velocity alone.
        let (of_gradient, of_velocity) = if c.nesterov { (T::one(), momentum) } else { (T::zero(), T::one()) };
        for (((out, value), gradient), velocity) in out.iter_mut().zip(value).zip(gradient).zip(velocity) {
            let gradient = factor * *gradient + decay * *value;
            *velocity = momentum * *velocity + gradient;
            *out = *value - rate * (of_gradient * gradient + of_velocity * *velocity);
        }
    }

    fn plain(c: Coefficients, value: &Value, gradient: &Value, moments: &[Value; 1]) -> Result<(Value, [Value; 1])> {
        let gradient = (gradient + (value * c.decay)?)?;
        let velocity = ((&moments[0] * c.momentum)? + &gradient)?;
        let change = if c.nesterov { (gradient + (&velocity * c.momentum)?)? } else { velocity.clone() };
        Ok(((value - (change * c.rate)?)?, [velocity]))
    }
}
