//! Weights that a role begins with, from a run, a model folder or a file: strictly, nothing missing and nothing left over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use compute::weights::{Saved, View, Weights};
use experiment::{Experiment, Model};

use crate::error::{Error, Result};
use crate::models::{ModelTensors, Pick, below_head, misfit};

/// What becomes of heads that a file lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heads {
    /// They begin with initial weights, and that is told: there will be training.
    MayBeginAnew,
    /// That is an error.
    AllThere,
}

/// Loads the weights of every role whose section names some.
///
/// A role's own weights have to be there, all of them, in their shapes. Its heads are taken along where the file has them in
/// the same shape; which begin anew is told on standard error.
///
/// # Errors
/// When the file can't be read, lacks a weight, holds one that the model does not have, or has one in another shape.
pub(super) fn load_weights(experiment: &Experiment, weights: &Weights, heads: Heads) -> Result<()> {
    for model in &experiment.models {
        if let Some(path) = &model.weights {
            load_role(model, path, weights, heads)?;
        }
    }
    let loaded = |name: &str| {
        let of_role = |model: &&Model| name.strip_prefix(&model.role).is_some_and(|rest| rest.starts_with('.'));
        experiment.models.iter().find(of_role).is_some_and(|model| model.weights.is_some())
    };
    super::shared::differences(weights, loaded)
}

/// The names of the weights that are low-rank changes of others.
fn low_rank_changes(weights: &Weights) -> BTreeSet<String> {
    let views = weights.all().into_iter().flat_map(|weight| weight.views());
    let changes = views.filter_map(|view| match view {
        View::LowRank { up, down, .. } => Some([up.name().to_owned(), down.name().to_owned()]),
        _ => None,
    });
    changes.flatten().collect()
}

fn load_role(model: &Model, path: &Path, weights: &Weights, heads: Heads) -> Result<()> {
    let pick = Pick { role: model.weights_role.clone(), averaged: model.weights_averaged, ..Pick::default() };
    let tensors = ModelTensors::read(path, &model.role, &pick)?;
    let below = format!("{}.", model.role);
    let mut state: BTreeMap<String, Saved> =
        tensors.model.iter().map(|(name, saved)| named(format!("{below}{name}"), saved)).collect();
    // What this run ties to a weight of another role is kept there.
    for weight in weights.all().iter().filter(|weight| weight.is_tied()) {
        if let Some(saved) = state.remove(weight.name()) {
            let owner = weight.owner().name().to_owned();
            state.entry(owner.clone()).or_insert(Saved { name: owner, ..saved });
        }
    }
    let (mut missing, mut anew) = (Vec::new(), Vec::new());
    let changes = low_rank_changes(weights);
    for weight in weights.owners() {
        let name = weight.name().to_owned();
        if name.starts_with(&below) {
            // What is to be changed may be from before it had a change, which then begins as none.
            if !state.contains_key(&name) && !changes.contains(&name) {
                missing.push(name);
            }
        } else if below_head(&name, &model.role).is_some() {
            match tensors.for_weight(&name, &model.role).filter(|saved| saved.shape == weight.shape()) {
                Some(saved) => state.extend([named(name, saved)]),
                None => anew.push(format!("`{name}`")),
            }
        }
    }
    let file = &tensors.file;
    if let Some(first) = missing.first() {
        let what = format!("lacks {} weights of the role `{}`, first `{first}`", missing.len(), model.role);
        return Err(misfit(file, &what));
    }
    let report = weights.load_state(&state, false)?;
    if let Some(line) = report.wrong.first() {
        let what = format!("does not fit {} weights of the role `{}`, first {line}", report.wrong.len(), model.role);
        return Err(misfit(file, &what));
    }
    if let Some(name) = report.unexpected.first() {
        let what = format!("holds {} weights that the model does not have, first `{name}`", report.unexpected.len());
        return Err(misfit(file, &what));
    }
    match (anew.is_empty(), heads) {
        (true, _) => {}
        (false, Heads::MayBeginAnew) => {
            eprintln!("`{}` has no fitting {}: they begin anew", file.display(), anew.join(", "));
        }
        // Figures of initial weights would pass for the model's.
        (false, Heads::AllThere) => {
            let text = format!("`{}` has no fitting {} for the role `{}`", file.display(), anew.join(", "), model.role);
            return Err(Error::new("run/weights", text)
                .with_help("measure weights of a run that trained this head, or use an evaluator that needs none"));
        }
    }
    Ok(())
}

fn named(name: String, saved: &Saved) -> (String, Saved) {
    (name.clone(), Saved { name, ..saved.clone() })
}
