//! Rules that need a weight as a whole: its norm, its rows and columns, a product with itself.
//!
//! They are made of plain operations, so they run wherever the weights are; rules of single elements have kernels of their
//! own, see [`super::slots`].

use std::collections::BTreeMap;

use super::StepReport;
use super::clip::norm_of;
use super::groups::{Item, Plan};
use super::memory::{self, Remembered};
use crate::weights::{Saved, Weights};
use crate::{Gradients, Result, Value};

/// How one weight changes.
pub(super) trait WholeRule {
    /// What it remembers of a weight of this shape; all of it begins at zero.
    fn remembers(&self, shape: &[usize]) -> Vec<Remembered>;

    /// The new value, from the gradient (clipped already) in step `steps` of this weight, counted from 1; `memory` holds what
    /// [`WholeRule::remembers`] says, in its order, and is replaced.
    fn change(&self, item: &Item, gradient: &Value, steps: u64, memory: &mut [Value]) -> Result<Value>;
}

struct Memory {
    steps: u64,
    names: Vec<&'static str>,
    values: Vec<Value>,
}

/// What is remembered of all weights, by name.
pub(super) struct Whole {
    optimizer: &'static str,
    by_name: BTreeMap<String, Memory>,
}

impl Whole {
    pub(super) fn new(optimizer: &'static str) -> Self {
        Self { optimizer, by_name: BTreeMap::new() }
    }

    /// Changes the weights of a plan and takes their gradients out.
    pub(super) fn step(&mut self, rule: &impl WholeRule, plan: Plan, gradients: &mut Gradients) -> Result<StepReport> {
        let Plan { items, norm, factor } = plan;
        if !norm.is_finite() {
            return Ok(StepReport { updated: 0, gradient_norm: norm, clip_factor: 1.0, skipped: true });
        }
        for item in &items {
            let name = item.weight.name();
            if !self.by_name.contains_key(name) {
                let (names, shapes): (Vec<_>, Vec<_>) = rule.remembers(item.weight.shape()).into_iter().unzip();
                let zeros = shapes
                    .iter()
                    .map(|shape| Ok(Value::zeros(shape.as_slice(), item.value.dtype(), item.value.device())?));
                let values = zeros.collect::<Result<_>>()?;
                self.by_name.insert(name.to_owned(), Memory { steps: 0, names, values });
            }
            let memory = self.by_name.get_mut(name).expect("inserted above");
            memory.steps += 1;
            let gradient = if factor == 1.0 { item.gradient.clone() } else { (&item.gradient * factor)? };
            let value = rule.change(item, &gradient, memory.steps, &mut memory.values)?;
            item.weight.set_value(&value)?;
            gradients.take(&item.weight.leaf());
        }
        Ok(StepReport { updated: items.len(), gradient_norm: norm, clip_factor: factor, skipped: false })
    }

    pub(super) fn state(&self) -> Result<Vec<Saved>> {
        let mut state = Vec::new();
        for (name, memory) in &self.by_name {
            let values = memory.names.iter().copied().zip(memory.values.iter().cloned());
            memory::save(&mut state, self.optimizer, name, memory.steps, values)?;
        }
        state.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(state)
    }

    pub(super) fn load_state(
        &mut self,
        rule: &impl WholeRule,
        weights: &Weights,
        state: &BTreeMap<String, Saved>,
    ) -> Result<()> {
        let remembers = |shape: &[usize]| rule.remembers(shape);
        let loaded = memory::load(self.optimizer, weights, state, |weight| remembers(weight.shape()))?;
        let memory = |(name, (steps, values)): (String, (u64, Vec<Value>))| {
            let shape = weights.get(&name).map(|weight| weight.shape().to_vec()).unwrap_or_default();
            let names = remembers(&shape).into_iter().map(|(name, _)| name).collect();
            (name, Memory { steps, names, values })
        };
        self.by_name = loaded.into_iter().map(memory).collect();
        Ok(())
    }
}

/// The root of the mean square of a value's elements.
pub(super) fn root_mean_square(value: &Value) -> Result<f64> {
    Ok(norm_of(std::iter::once(value))? / (value.elem_count().max(1) as f64).sqrt())
}
