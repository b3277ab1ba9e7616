//! Running averages of weights, used in place of them by `Resolve { ema: true, .. }`.

use std::collections::BTreeMap;

use super::in_range;
use crate::kernel::{Real, by_real, zip};
use crate::weights::{Saved, Weights};
use crate::{Error, Result, Value};

/// Keeps `average ← decay · average + (1 − decay) · value` for every weight; it begins as the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ema {
    decay: f64,
}

impl Ema {
    /// An average that keeps `decay` (0 to below 1) of itself each step.
    ///
    /// # Errors
    /// When `decay` is out of range.
    pub fn new(decay: f64) -> Result<Self> {
        in_range("decay of the running average", decay, 0.0..1.0)?;
        Ok(Self { decay })
    }

    /// Takes the values of now into the averages, frozen weights included; after each optimizer step.
    ///
    /// # Errors
    /// When the device fails.
    pub fn update(&self, weights: &Weights) -> Result<()> {
        for weight in weights.owners() {
            let value = weight.value();
            let average = match weight.shadow() {
                None => value,
                Some(shadow) if value.device().is_cpu() => {
                    let mixed = by_real!(value.dtype(), T => mixed::<T>(self.decay, &shadow, &value));
                    mixed?
                }
                Some(shadow) => ((shadow * self.decay)? + (value * (1.0 - self.decay))?)?,
            };
            weight.set_shadow(Some(average))?;
        }
        Ok(())
    }

    /// The averages by weight name, sorted.
    ///
    /// # Errors
    /// When the device fails.
    pub fn state(&self, weights: &Weights) -> Result<Vec<Saved>> {
        let mut saved = Vec::new();
        for weight in weights.owners() {
            if let Some(shadow) = weight.shadow() {
                saved.push(Saved::of(weight.name(), &shadow, weights.dtype())?);
            }
        }
        saved.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(saved)
    }

    /// Replaces the averages; weights that `state` does not name begin anew.
    ///
    /// # Errors
    /// When a name, shape or dtype does not fit.
    pub fn load_state(&self, weights: &Weights, state: &BTreeMap<String, Saved>) -> Result<()> {
        let fault = |fact: String| Error::argument("load_ema", fact);
        let mut ready = Vec::new();
        for (name, saved) in state {
            let weight = weights.get(name).filter(|weight| !weight.is_tied());
            let weight = weight.ok_or_else(|| fault(format!("there is no weight `{name}`")))?;
            if saved.shape != weight.shape() || saved.dtype != weights.dtype() {
                let found = format!("{} {:?}", saved.dtype, saved.shape);
                return Err(fault(format!("`{name}` is {found} instead of {} {:?}", weights.dtype(), weight.shape())));
            }
            ready.push((weight, saved.value(weights.device())?));
        }
        for weight in weights.owners() {
            weight.set_shadow(None)?;
        }
        ready.into_iter().try_for_each(|(weight, shadow)| weight.set_shadow(Some(shadow)))
    }
}

fn mixed<T: Real>(decay: f64, shadow: &Value, value: &Value) -> Result<Value> {
    let (keep, take) = (T::of(decay), T::of(1.0 - decay));
    zip::<T>(shadow, value, |shadow, value| keep * shadow + take * value)
}
