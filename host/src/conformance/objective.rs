//! What an objective has to hold.

use std::sync::Arc;

use super::report::Report;
use super::world::{self, Parts, World, total_of};
use super::{Options, batches, draws, gradients, phases, samples, training};
use crate::boundary::Outcomes;
use crate::error::Result;
use crate::loader::{Catalogue, Found};

/// Who is checked, in reports.
pub(super) const SUBJECT: &str = "objective";
/// The seed of all draws but those that want another.
pub(super) const SEED: u64 = 7;

/// A check: what was measured, or why it does not hold. An error of the plugin is a failed check.
pub(super) type Outcome = Result<std::result::Result<String, String>>;

pub(super) fn check(catalogue: &Catalogue, found: &Found, options: &Options, report: &mut Report) -> Result<()> {
    let threads_before = training::warm_thread_count();
    let world = match World::new(catalogue, found, options) {
        Ok(world) => world,
        // What the caller asked for is wrong: no fault of the plugin.
        Err(error)
            if error.code().starts_with("config/") && error.frames.is_empty() || error.code() == "plugin/unknown" =>
        {
            return Err(error);
        }
        Err(error) => {
            report.add(SUBJECT, "creates", Err(error.to_string()));
            return Ok(());
        }
    };
    let (how, numbers) = (if world.causal { "causal " } else { "" }, world.context.weights.parameters());
    let made = format!("with a {how}{} in every role, {numbers} numbers to train", options.family);
    report.add(SUBJECT, "creates", Ok(made));
    let texts = samples::all();
    let mut add = |check: &'static str, outcome: Outcome| {
        let outcome = outcome.unwrap_or_else(|error| Err(error.to_string()));
        let held = outcome.is_ok();
        report.add(SUBJECT, check, outcome);
        held
    };
    if !add("finite", finite(&world)) {
        return Ok(());
    }
    add("reached", reached(&world));
    add("gradients", finite_differences(&world));
    add("same-seed", draws::same_seed(&world, catalogue, found, options));
    add("collate", draws::collate_is_pure(&world));
    add("no-labels", batches::without_labels(&world));
    add("threads", training::no_threads(threads_before, &world));
    add("save", training::save_and_restore(&world, catalogue, found, options));
    if !world.objective.phases().is_empty() {
        add("phases", phases::check(&world));
    }
    add("overfits", training::overfits(&world));
    if world.objective.couples() {
        for check in ["division", "company", "order", "packing"] {
            report.skip(SUBJECT, check, "the loss couples the samples of a batch");
        }
    } else {
        let mut add = |check: &'static str, outcome: Outcome| {
            report.add(SUBJECT, check, outcome.unwrap_or_else(|error| Err(error.to_string())))
        };
        add("division", batches::division(&world, &texts));
        add("company", batches::company(&world, &texts));
        add("order", batches::order(&world, &texts));
        add("packing", batches::packing(&world, &texts));
    }
    Ok(())
}

fn finite(world: &World) -> Outcome {
    let parts = world.parts(&samples::all(), SEED, false)?;
    let labels: f64 = parts.values().map(|part| part.2).sum();
    if labels == 0.0 {
        return Ok(Err("no sample has a label".into()));
    }
    Ok(match parts.iter().find(|(_, (_, sum, count))| !sum.is_finite() || !count.is_finite()) {
        Some((name, (_, sum, count))) => Err(format!("part `{name}` has sum {sum} and count {count}")),
        None => Ok(format!("loss {:.4} over {labels} labels", total_of(&parts))),
    })
}

/// A weight may be missed by the draws of one seed; three seeds have to reach all.
fn reached(world: &World) -> Outcome {
    let mut missing: Vec<String> = Vec::new();
    for weight in world.context.weights.owners() {
        if weight.trainable() && !weight.sometimes() {
            missing.push(weight.name().to_owned());
        }
    }
    let all = missing.len();
    for seed in SEED..SEED + 3 {
        let (_, slopes) = world.total(&[&samples::all()], seed)?;
        missing.retain(|name| !slopes.contains_key(name));
    }
    Ok(match missing.as_slice() {
        [] => Ok(format!("all {all} trainable weights get a gradient")),
        names => {
            Err(format!("no gradient reaches {}; freeze such weights, or declare them `sometimes`", listed(names)))
        }
    })
}

fn finite_differences(world: &World) -> Outcome {
    let texts = samples::all();
    let (_, slopes) = world.total(&[&texts], SEED)?;
    let batch = world.batch(&texts, SEED, false)?;
    let outcomes = Arc::new(Outcomes::default());
    world.value_under(&batch, world::with_outcomes(SEED, &outcomes))?;
    gradients::compare(&world.context.weights, &slopes, &mut || {
        outcomes.replay();
        world.value_under(&batch, world::with_outcomes(SEED, &outcomes))
    })
}

/// At most four names.
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(4).map(|name| format!("`{name}`")).collect();
    if names.len() > 4 { format!("{} and {} more", shown.join(", "), names.len() - 4) } else { shown.join(", ") }
}

/// The part whose sum or count differs by more than rounding, in words.
pub(super) fn difference(a: &Parts, b: &Parts) -> Option<String> {
    if !a.keys().eq(b.keys()) {
        return Some(format!("the parts {:?} became {:?}", a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>()));
    }
    a.iter().zip(b.values()).find_map(|((name, (_, sum, count)), (_, other_sum, other_count))| {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
        (!close(*sum, *other_sum) || !close(*count, *other_count))
            .then(|| format!("part `{name}`: sum {sum:.12} and count {count} became {other_sum:.12} and {other_count}"))
    })
}
