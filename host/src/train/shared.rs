//! Weights that show another one: what a checkpoint says of them, and what their users saw.
//!
//! A checkpoint holds each slot once: a tied weight is left out, a difference is saved as the difference. That is what
//! resuming needs. Whoever takes a single role out of it needs the weight as its model saw it.

use std::collections::BTreeMap;

use compute::Device;
use compute::weights::{Saved, View, Weights};
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// The key in a file's metadata.
const KEY: &str = "shared";
/// How many weights may stand on each other.
const DEEPEST: usize = 8;

/// Metadata for a file of weights: which of them show another one.
pub(super) fn metadata(weights: &Weights) -> Option<(String, String)> {
    let mut shared = serde_json::Map::new();
    for weight in weights.all() {
        let base = weight.views().iter().find_map(|view| match view {
            View::DeltaOf { base } => Some(base.name().to_owned()),
            _ => None,
        });
        let entry = match base {
            Some(base) => json!({ "delta_of": base }),
            None if weight.is_tied() => json!({ "tied": weight.owner().name() }),
            None => continue,
        };
        shared.insert(weight.name().to_owned(), entry);
    }
    (!shared.is_empty()).then(|| (KEY.to_owned(), Json::Object(shared).to_string()))
}

/// Puts every weight into `state` as its model saw it, by the metadata of its file.
///
/// # Errors
/// When the metadata is not what this program writes.
pub(crate) fn materialise(state: &mut BTreeMap<String, Saved>, metadata: &BTreeMap<String, String>) -> Result<()> {
    let Some(text) = metadata.get(KEY) else { return Ok(()) };
    let odd = || Error::new("run/weights", "the file's note on shared weights cannot be read");
    let shared: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(text).map_err(|_| odd())?;
    let seen: BTreeMap<String, Saved> = shared
        .keys()
        .map(|name| Ok((name.clone(), seen(name, state, &shared, DEEPEST)?.ok_or_else(odd)?)))
        .collect::<Result<_>>()?;
    state.extend(seen);
    Ok(())
}

fn seen(
    name: &str,
    state: &BTreeMap<String, Saved>,
    shared: &BTreeMap<String, BTreeMap<String, String>>,
    depth: usize,
) -> Result<Option<Saved>> {
    let own = || state.get(name).cloned();
    let (Some(entry), Some(depth)) = (shared.get(name), depth.checked_sub(1)) else { return Ok(own()) };
    if let Some(owner) = entry.get("tied") {
        let owner = seen(owner, state, shared, depth)?;
        return Ok(owner.map(|saved| Saved { name: name.to_owned(), ..saved }));
    }
    let base = entry.get("delta_of").map(|base| seen(base, state, shared, depth)).transpose()?.flatten();
    let (Some(base), Some(delta)) = (base, own()) else { return Ok(None) };
    let sum = (base.value(&Device::Cpu)? + delta.value(&Device::Cpu)?).map_err(compute::Error::from)?;
    Ok(Some(Saved::of(name, &sum, delta.dtype)?))
}

/// After weights were loaded as models saw them: differences become differences again.
///
/// `loaded` says which weights were.
///
/// # Errors
/// When the device fails.
pub(super) fn differences(weights: &Weights, loaded: impl Fn(&str) -> bool) -> Result<()> {
    for weight in weights.all().iter().filter(|weight| loaded(weight.name())) {
        for view in weight.views() {
            if let View::DeltaOf { base } = view {
                let difference = (weight.value() - base.materialise()?).map_err(compute::Error::from)?;
                weight.set_value(&difference)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use compute::weights::{Init, WeightOptions};
    use compute::{DType, Tensor};

    use super::*;

    fn state_of(weights: &Weights) -> BTreeMap<String, Saved> {
        weights.state().unwrap().into_iter().map(|saved| (saved.name.clone(), saved)).collect()
    }

    #[test]
    fn ties_and_differences_come_out_as_they_were_seen() {
        let weights = Weights::with_dtype(1, &Device::Cpu, DType::F64);
        let make =
            |name: &str| weights.create(name, &[3], Init::Normal { std: 1.0 }, WeightOptions::default()).unwrap();
        let (base, delta, tied) = (make("generator.e"), make("discriminator.e"), make("critic.e"));
        delta.push_view(View::DeltaOf { base: base.clone() }).unwrap();
        tied.tie_to(&delta).unwrap();
        let metadata: BTreeMap<_, _> = metadata(&weights).into_iter().collect();
        let mut state = state_of(&weights);
        assert!(!state.contains_key("critic.e"));
        materialise(&mut state, &metadata).unwrap();
        let numbers = |saved: &Saved| saved.value(&Device::Cpu).unwrap().to_vec1::<f64>().unwrap();
        let wanted = delta.materialise().unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(numbers(&state["discriminator.e"]), wanted);
        assert_eq!(numbers(&state["critic.e"]), wanted);
        assert_eq!(numbers(&state["generator.e"]), base.value().to_vec1::<f64>().unwrap());

        // Loaded as it was seen, the difference is made to fit again.
        let seen = Tensor::from_slice(&wanted, &[3], &Device::Cpu).unwrap();
        delta.set_value(seen.value()).unwrap();
        differences(&weights, |name| name.starts_with("discriminator.")).unwrap();
        let again = delta.materialise().unwrap().to_vec1::<f64>().unwrap();
        assert!(again.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{again:?} {wanted:?}");
    }

    #[test]
    fn a_note_that_cannot_be_true_is_refused() {
        let mut state = BTreeMap::new();
        for text in ["no json", r#"{"a":{"tied":"b"}}"#, r#"{"a":{"tied":"a"}}"#] {
            let metadata = BTreeMap::from([(KEY.to_owned(), text.to_owned())]);
            assert_eq!(materialise(&mut state, &metadata).unwrap_err().code(), "run/weights", "{text}");
        }
        assert!(materialise(&mut state, &BTreeMap::new()).is_ok());
    }
}
