//! What optimizers remember of each weight, as named bytes and back.

use std::collections::BTreeMap;

use crate::weights::{Saved, Weight, Weights};
use crate::{DType, Device, Error, Result, Value};

/// One thing that is remembered of a weight: its name and its shape, in the type of the weight's value.
pub(super) type Remembered = (&'static str, Vec<usize>);

/// The type of a value's elements, as saved.
fn saved_dtype(value: &Value) -> DType {
    if value.dtype() == candle_core::DType::F64 { DType::F64 } else { DType::F32 }
}

/// Adds what is remembered of the weight `name` to `state`: `OPTIMIZER/WHAT/name` and `OPTIMIZER/steps/name`.
///
/// # Errors
/// When the device fails.
pub(super) fn save(
    state: &mut Vec<Saved>,
    optimizer: &str,
    name: &str,
    steps: u64,
    values: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<()> {
    for (what, value) in values {
        state.push(Saved::of(format!("{optimizer}/{what}/{name}"), &value, saved_dtype(&value))?);
    }
    let steps = Value::from_vec(vec![steps as i64], 1, &Device::Cpu)?;
    state.push(Saved::of(format!("{optimizer}/steps/{name}"), &steps, DType::I64)?);
    Ok(())
}

/// The steps and values remembered of each weight, by its name; `wanted` says what there is to remember of one.
///
/// # Errors
/// When something is missing, does not fit its weight, or is not this optimizer's.
pub(super) fn load(
    optimizer: &str,
    weights: &Weights,
    state: &BTreeMap<String, Saved>,
    wanted: impl Fn(&Weight) -> Vec<Remembered>,
) -> Result<BTreeMap<String, (u64, Vec<Value>)>> {
    let fault = |fact: String| Error::argument("load_optimizer", fact);
    let mut by_name = BTreeMap::new();
    let mut used = 0;
    let steps_prefix = format!("{optimizer}/steps/");
    for (key, steps) in state {
        let Some(name) = key.strip_prefix(&steps_prefix) else { continue };
        let weight = weights.get(name).ok_or_else(|| fault(format!("there is no weight `{name}` for `{key}`")))?;
        let steps = steps.value(&Device::Cpu)?.flatten_all()?;
        if steps.dtype() != candle_core::DType::I64 || steps.elem_count() != 1 {
            return Err(fault(format!("`{key}` is not one i64")));
        }
        let steps = u64::try_from(steps.to_vec1::<i64>()?[0]).map_err(|_| fault(format!("`{key}` is negative")))?;
        let master = weight.value();
        let mut values = Vec::new();
        for (what, shape) in wanted(&weight) {
            let key = format!("{optimizer}/{what}/{name}");
            let saved = state.get(&key).ok_or_else(|| fault(format!("`{key}` is missing")))?;
            if saved.shape != shape || saved.dtype.candle() != master.dtype() {
                let found = format!("{} {:?}", saved.dtype, saved.shape);
                return Err(fault(format!("`{key}` is {found}, the weight {:?} {shape:?}", master.dtype())));
            }
            values.push(saved.value(weights.device())?);
        }
        used += 1 + values.len();
        by_name.insert(name.to_owned(), (steps, values));
    }
    if used != state.len() {
        let own = |key: &&String| {
            let rest = key.strip_prefix(optimizer).and_then(|rest| rest.strip_prefix('/'));
            rest.and_then(|rest| rest.split_once('/')).is_some_and(|(_, name)| by_name.contains_key(name))
        };
        let strangers: Vec<&str> = state.keys().filter(|key| !own(key)).map(String::as_str).take(8).collect();
        return Err(fault(format!("the state of `{optimizer}` holds what is not its own: {}", strangers.join(", "))));
    }
    Ok(by_name)
}
