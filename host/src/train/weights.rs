//! Weights that a role begins with, from a run or a file: strictly, nothing missing and nothing left over.

use std::collections::BTreeMap;
use std::path::Path;

use compute::weights::{Saved, Weights};
use experiment::{Experiment, Model};
use records::TensorFile;

use super::checkpoint::saved;
use super::session::OBJECTIVE;
use crate::error::{Error, Result};

/// Loads the weights of every role whose section names some.
///
/// A role's own weights have to be there, all of them, in their shapes. Its heads are taken along where the file has them in
/// the same shape; which begin anew is told on standard error.
///
/// # Errors
/// When the file can't be read, lacks a weight, holds one that the model does not have, or has one in another shape.
pub(super) fn load_weights(experiment: &Experiment, weights: &Weights) -> Result<()> {
    for model in &experiment.models {
        if let Some(path) = &model.weights {
            let file = if path.is_dir() { path.join("checkpoints/last/model.safetensors") } else { path.clone() };
            load_role(model, &file, weights)?;
        }
    }
    let loaded = |name: &str| {
        let of_role = |model: &&Model| name.strip_prefix(&model.role).is_some_and(|rest| rest.starts_with('.'));
        experiment.models.iter().find(of_role).is_some_and(|model| model.weights.is_some())
    };
    super::shared::differences(weights, loaded)
}

fn load_role(model: &Model, file: &Path, weights: &Weights) -> Result<()> {
    let (below, heads) = (format!("{}.", model.role), format!("{OBJECTIVE}.{}.", model.role));
    let file_of_tensors = TensorFile::open(file)?;
    let mut state = saved(file_of_tensors.tensors()?)?;
    super::shared::materialise(&mut state, &file_of_tensors.metadata())?;
    // A run's file holds all roles under their names; a family's own file holds bare names.
    if !state.keys().any(|name| name.starts_with(&below)) {
        state = state.into_iter().map(|(name, saved)| named(format!("{below}{name}"), saved)).collect();
    }
    let of_heads = |name: &str| name.starts_with(&heads);
    let known: BTreeMap<String, Vec<usize>> =
        weights.owners().iter().map(|weight| (weight.name().to_owned(), weight.shape().to_vec())).collect();
    let fits = |name: &str, saved: &Saved| known.get(name).is_some_and(|shape| *shape == saved.shape);
    state.retain(|name, saved| name.starts_with(&below) || of_heads(name) && fits(name, saved));
    // What this run ties to a weight of another role is kept there.
    for weight in weights.all().iter().filter(|weight| weight.is_tied()) {
        if let Some(saved) = state.remove(weight.name()) {
            let owner = weight.owner().name().to_owned();
            state.entry(owner.clone()).or_insert(Saved { name: owner, ..saved });
        }
    }
    let fault = |what: String| {
        Error::new("run/weights", format!("`{}` {what}", file.display()))
            .with_help("the model's settings, and the size of the vocabulary, must be those it was trained with")
    };
    let missing: Vec<&String> =
        known.keys().filter(|name| name.starts_with(&below) && !state.contains_key(*name)).collect();
    if let Some(first) = missing.first() {
        return Err(fault(format!("lacks {} weights of the role `{}`, first `{first}`", missing.len(), model.role)));
    }
    let anew: Vec<String> = known
        .keys()
        .filter(|name| of_heads(name) && !state.contains_key(*name))
        .map(|name| format!("`{name}`"))
        .collect();
    let report = weights.load_state(&state, false)?;
    if let Some(line) = report.wrong.first() {
        return Err(fault(format!(
            "does not fit {} weights of the role `{}`, first {line}",
            report.wrong.len(),
            model.role
        )));
    }
    if let Some(name) = report.unexpected.first() {
        let text = format!("holds {} weights that the model does not have, first `{name}`", report.unexpected.len());
        return Err(fault(text));
    }
    if !anew.is_empty() {
        eprintln!("`{}` has no fitting {}: they begin anew", file.display(), anew.join(", "));
    }
    Ok(())
}

fn named(name: String, saved: Saved) -> (String, Saved) {
    (name.clone(), Saved { name, ..saved })
}
