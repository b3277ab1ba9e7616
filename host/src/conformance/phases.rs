//! Objectives that train in phases: each phase has a loss, and it reaches the weights that the phase trains.

use compute::Gradients;

use super::objective::{Outcome, SEED, listed};
use super::samples;
use super::world::{Parts, World, add_parts, options, slopes, weighted};
use crate::boundary::{Batch, Call, Content, Object, batch_object};

/// Where an objective's own weights lie.
const OBJECTIVE: &str = "objective";

/// A weight may be missed by the draws of one seed; three seeds have to reach all of a phase's.
pub(super) fn check(world: &World) -> Outcome {
    let (objective, weights) = (&world.objective, &world.context.weights);
    let mut missing: Vec<Vec<String>> =
        objective.phases().iter().map(|phase| phase.weights(weights, OBJECTIVE)).collect();
    let all: usize = missing.iter().map(Vec::len).sum();
    for seed in SEED..SEED + 3 {
        let batch = world.batch(&samples::all(), seed, false)?;
        let call = Call::new(options(seed, true, true));
        let mut carry = batch_object([])?;
        for (index, phase) in objective.phases().iter().enumerate() {
            let result = objective.phase_loss(index, &carry, &call, &batch)?;
            carry = match carry.content() {
                Content::Batch(batch) => Object::new(Content::Batch(Batch::detached(batch))),
                _ => carry.clone(),
            };
            let mut parts = Parts::new();
            add_parts(&mut parts, &result)?;
            if let Some((name, _)) = parts.iter().find(|(_, (_, sum, count))| !sum.is_finite() || !count.is_finite()) {
                return Ok(Err(format!("part `{name}` of phase `{}` is not finite", phase.name)));
            }
            let mut gradients = Gradients::default();
            if let Some(total) = weighted(result, &parts)? {
                compute::backward(&total, None, false, &mut gradients)?;
            }
            let reached = slopes(weights, &gradients)?;
            let sometimes = |name: &str| weights.get(name).is_some_and(|weight| weight.sometimes());
            missing[index].retain(|name| !reached.contains_key(name) && !sometimes(name));
        }
    }
    for (phase, missing) in objective.phases().iter().zip(&missing) {
        if !missing.is_empty() {
            let text = format!("the loss of phase `{}` does not reach {}", phase.name, listed(missing));
            return Ok(Err(format!("{text}; freeze such weights, or declare them `sometimes`")));
        }
    }
    let names: Vec<&str> = objective.phases().iter().map(|phase| phase.name.as_str()).collect();
    Ok(Ok(format!("{}: each reaches what it trains, {all} weights in all", names.join(", "))))
}
