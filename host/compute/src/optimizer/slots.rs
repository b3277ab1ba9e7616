//! What optimizers remember of each weight, and the one pass that changes all weights.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::StepReport;
use super::groups::{Item, Plan};
use super::memory;
use crate::kernel::{CHUNK, Real, slice, value_of, with_slice};
use crate::weights::{Saved, Weight, Weights};
use crate::{Device, Error, Gradients, Result, Value};

/// The buffers of one weight, all of its size: `N` moments.
pub(super) enum Moments<const N: usize> {
    Single([Vec<f32>; N]),
    Double([Vec<f64>; N]),
    /// On another device, as values.
    Device([Value; N]),
}

impl<const N: usize> Moments<N> {
    fn zeros(value: &Value) -> Result<Self> {
        let count = value.elem_count();
        if !value.device().is_cpu() {
            let zeros = value.zeros_like()?;
            return Ok(Self::Device(std::array::from_fn(|_| zeros.clone())));
        }
        match value.dtype() {
            candle_core::DType::F32 => Ok(Self::Single(std::array::from_fn(|_| vec![0.0; count]))),
            candle_core::DType::F64 => Ok(Self::Double(std::array::from_fn(|_| vec![0.0; count]))),
            other => Err(Error::argument("optimizer", format!("master values are {other:?}; they must be f32 or f64"))),
        }
    }

    fn values(&self, shape: &[usize]) -> Result<[Value; N]> {
        let mut values = Vec::with_capacity(N);
        for index in 0..N {
            values.push(match self {
                Self::Single(moments) => Value::from_slice(&moments[index], shape, &Device::Cpu)?,
                Self::Double(moments) => Value::from_slice(&moments[index], shape, &Device::Cpu)?,
                Self::Device(moments) => moments[index].clone(),
            });
        }
        values.try_into().map_err(|_| Error::argument("optimizer", "moments are incomplete"))
    }
}

/// The moments of one weight and the steps it has seen.
pub(super) struct Slot<const N: usize> {
    pub(super) steps: u64,
    moments: Moments<N>,
    shape: Vec<usize>,
}

/// The slots of all weights by name.
pub(super) struct Slots<const N: usize> {
    optimizer: &'static str,
    moment_names: [&'static str; N],
    by_name: BTreeMap<String, Slot<N>>,
}

/// An element's change: from (value, gradient, moments), all numbers of one element, to the new value.
pub(super) trait Rule<const N: usize>: Sync {
    /// The coefficients of one weight in this step.
    type Coefficients: Copy + Send + Sync;

    /// The coefficients after `steps` steps, this one included.
    fn coefficients(&self, item: &Item, steps: u64) -> Self::Coefficients;

    /// Changes one chunk: `out` from `value`, `gradient` (times `factor`) and `moments`, which it also updates.
    fn chunk<T: Real>(
        c: Self::Coefficients,
        factor: f64,
        out: &mut [T],
        value: &[T],
        gradient: &[T],
        moments: [&mut [T]; N],
    );

    /// The same by plain operations: the new value and the new moments.
    fn plain(
        c: Self::Coefficients,
        value: &Value,
        gradient: &Value,
        moments: &[Value; N],
    ) -> Result<(Value, [Value; N])>;
}

impl<const N: usize> Slots<N> {
    pub(super) fn new(optimizer: &'static str, moment_names: [&'static str; N]) -> Self {
        Self { optimizer, moment_names, by_name: BTreeMap::new() }
    }

    /// Changes the weights of a plan and takes their gradients out.
    pub(super) fn step<R: Rule<N>>(&mut self, rule: &R, plan: Plan, gradients: &mut Gradients) -> Result<StepReport> {
        let Plan { items, norm, factor } = plan;
        if !norm.is_finite() {
            return Ok(StepReport { updated: 0, gradient_norm: norm, clip_factor: 1.0, skipped: true });
        }
        for item in &items {
            if !self.by_name.contains_key(item.weight.name()) {
                let slot =
                    Slot { steps: 0, moments: Moments::zeros(&item.value)?, shape: item.weight.shape().to_vec() };
                self.by_name.insert(item.weight.name().to_owned(), slot);
            }
            let slot = self.by_name.get_mut(item.weight.name()).expect("inserted above");
            slot.steps += 1;
            let coefficients = rule.coefficients(item, slot.steps);
            let value = match &mut slot.moments {
                Moments::Single(moments) => changed::<f32, R, N>(coefficients, factor, item, moments)?,
                Moments::Double(moments) => changed::<f64, R, N>(coefficients, factor, item, moments)?,
                Moments::Device(moments) => {
                    let gradient = if factor == 1.0 { item.gradient.clone() } else { (&item.gradient * factor)? };
                    let (value, updated) = R::plain(coefficients, &item.value, &gradient, moments)?;
                    *moments = updated;
                    value
                }
            };
            item.weight.set_value(&value)?;
            gradients.take(&item.weight.leaf());
        }
        Ok(StepReport { updated: items.len(), gradient_norm: norm, clip_factor: factor, skipped: false })
    }

    pub(super) fn state(&self) -> Result<Vec<Saved>> {
        let mut state = Vec::new();
        for (name, slot) in &self.by_name {
            let values = self.moment_names.into_iter().zip(slot.moments.values(&slot.shape)?);
            memory::save(&mut state, self.optimizer, name, slot.steps, values)?;
        }
        state.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(state)
    }

    pub(super) fn load_state(&mut self, weights: &Weights, state: &BTreeMap<String, Saved>) -> Result<()> {
        let wanted = |weight: &Weight| self.moment_names.map(|name| (name, weight.shape().to_vec())).to_vec();
        let loaded = memory::load(self.optimizer, weights, state, wanted)?;
        let slot = |(name, (steps, values)): (String, (u64, Vec<Value>))| {
            let fault = || Error::argument("load_optimizer", format!("the moments of `{name}` are incomplete"));
            let moments: [Value; N] = values.try_into().map_err(|_| fault())?;
            let shape = weights.get(&name).ok_or_else(fault)?.shape().to_vec();
            Ok((name, Slot { steps, moments: restored(moments)?, shape }))
        };
        self.by_name = loaded.into_iter().map(slot).collect::<Result<_>>()?;
        Ok(())
    }
}

fn restored<const N: usize>(values: [Value; N]) -> Result<Moments<N>> {
    if values.iter().any(|value| !value.device().is_cpu()) {
        return Ok(Moments::Device(values));
    }
    fn vectors<T: Real, const N: usize>(values: &[Value; N]) -> Result<[Vec<T>; N]> {
        let mut vectors: [Vec<T>; N] = std::array::from_fn(|_| Vec::new());
        for (vector, value) in vectors.iter_mut().zip(values) {
            *vector = with_slice::<T, _>(value, |numbers| Ok(numbers.to_vec()))?;
        }
        Ok(vectors)
    }
    let double = values.first().is_some_and(|value| value.dtype() == candle_core::DType::F64);
    Ok(if double { Moments::Double(vectors(&values)?) } else { Moments::Single(vectors(&values)?) })
}

/// The new value of one weight on the CPU. The old one stays as it is: others may hold it.
fn changed<T: Real, R: Rule<N>, const N: usize>(
    coefficients: R::Coefficients,
    factor: f64,
    item: &Item,
    moments: &mut [Vec<T>; N],
) -> Result<Value> {
    slice!(value: T = &item.value);
    slice!(gradient: T = &item.gradient);
    let mut out = vec![T::zero(); value.len()];
    let mut rest: [&mut [T]; N] = moments.each_mut().map(Vec::as_mut_slice);
    let mut tasks = Vec::with_capacity(out.len().div_ceil(CHUNK));
    for ((out, value), gradient) in out.chunks_mut(CHUNK).zip(value.chunks(CHUNK)).zip(gradient.chunks(CHUNK)) {
        let parts = rest.each_mut().map(|moment| {
            let (part, after) = std::mem::take(moment).split_at_mut(out.len());
            *moment = after;
            part
        });
        tasks.push((out, value, gradient, parts));
    }
    let run = |(out, value, gradient, moments)| R::chunk(coefficients, factor, out, value, gradient, moments);
    if tasks.len() == 1 {
        tasks.into_iter().for_each(run)
    } else {
        tasks.into_par_iter().for_each(run)
    }
    value_of(out, item.weight.shape())
}
