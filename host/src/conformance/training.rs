//! Training on one batch: the loss falls, nothing is left behind, state can be put back, no threads appear.

use std::sync::Arc;

use compute::Gradients;
use compute::optimizer::{Groups, Settings, optimizer};

use super::Options;
use super::objective::{Outcome, SEED};
use super::samples;
use super::world::{World, numbers, set, weighted};
use crate::boundary::{Call, KINDS, Object, Provider};
use crate::error::Result;
use crate::loader::{Catalogue, Found};

/// Steps within which one batch has to be learnt by half.
const STEPS: usize = 60;
const LEARNING_RATE: f64 = 0.01;
/// Steps after which a plugin has everything it keeps.
const SETTLED: usize = 10;

/// One batch can be learnt, and the plugin's objects do not become more while it is.
pub(super) fn overfits(world: &World) -> Outcome {
    let batch = world.batch(&samples::all(), SEED, false)?;
    let groups = Groups { weight_decay: 0.0, ..Groups::default() };
    let mut adamw = optimizer("adamw", &Settings { groups, ..Settings::default() })?;
    let before = world.value(&batch, SEED)?;
    let mut settled = world.plugin.live().counts();
    for step in 0..STEPS {
        if step == SETTLED {
            settled = world.plugin.live().counts();
        }
        let mut gradients = descend(world, &batch)?;
        adamw.step(&world.context.weights, &mut gradients, LEARNING_RATE)?;
    }
    let after = world.value(&batch, SEED)?;
    let kept = world.plugin.live().counts();
    if let Some(kind) = (0..KINDS.len()).find(|kind| kept[*kind] > settled[*kind]) {
        let (first, last) = (settled[kind], kept[kind]);
        return Ok(Err(format!(
            "it holds more and more: {first} objects of kind {} after {SETTLED} steps, {last} after {STEPS}",
            KINDS[kind]
        )));
    }
    Ok(if after < before / 2.0 {
        Ok(format!(
            "loss {before:.3} to {after:.3} in {STEPS} steps; {} objects held throughout",
            settled.iter().sum::<i64>()
        ))
    } else {
        Err(format!("the loss on one batch went from {before:.4} to {after:.4} in {STEPS} steps, not below half"))
    })
}

fn descend(world: &World, batch: &Arc<Object>) -> Result<Gradients> {
    let mut parts = super::world::Parts::new();
    let result = world.loss(batch, SEED, true)?;
    super::world::add_parts(&mut parts, &result)?;
    let mut gradients = Gradients::default();
    if let Some(total) = weighted(result, &parts)? {
        compute::backward(&total, None, false, &mut gradients)?;
    }
    Ok(gradients)
}

/// An instance made anew, given weights and saved state, goes on with the same bits.
pub(super) fn save_and_restore(world: &World, catalogue: &Catalogue, found: &Found, options: &Options) -> Outcome {
    let batch = world.batch(&samples::all(), SEED, false)?;
    world.value(&batch, SEED)?;
    let call = || Call::new(super::world::options(SEED, false, false));
    let state = world.objective.save(&call())?;
    let anew = World::new(catalogue, found, options)?;
    for weight in world.context.weights.owners() {
        if let Some(other) = anew.context.weights.get(weight.name()) {
            set(&other, &numbers(&weight.value())?)?;
        }
    }
    for buffer in world.context.weights.buffers() {
        if let Some(other) = anew.context.weights.buffer(buffer.name()) {
            other.set_value(&buffer.value())?;
        }
    }
    if let Some(state) = &state {
        anew.objective.restore(&call(), state)?;
    }
    let (first, second) = (world.value(&batch, SEED)?, anew.value(&anew.batch(&samples::all(), SEED, false)?, SEED)?);
    if first.to_bits() != second.to_bits() {
        return Ok(Err(format!("the loss goes on with {first:.17}, after restoring with {second:.17}")));
    }
    Ok(Ok(match state {
        Some(state) => format!("{} bytes of state put back give the same bits", state.len()),
        None => "no state of its own".into(),
    }))
}

/// Threads of this process once the host's own are there; `None` where the system does not tell.
pub(super) fn warm_thread_count() -> Option<usize> {
    rayon::broadcast(|_| ());
    thread_count()
}

fn thread_count() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// The plugin started no thread: neither when it was made nor in a loss.
pub(super) fn no_threads(before: Option<usize>, world: &World) -> Outcome {
    world.value(&world.batch(&samples::all(), SEED, false)?, SEED)?;
    Ok(none_since(before))
}

/// Whether there are as many threads as `before`.
pub(super) fn none_since(before: Option<usize>) -> std::result::Result<String, String> {
    let Some(before) = before else { return Ok("this system does not count threads".into()) };
    // Threads that are ending are still counted for a moment.
    for _ in 0..50 {
        if thread_count().is_some_and(|now| now <= before) {
            return Ok("it starts none".into());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let more = thread_count().unwrap_or(before) - before;
    Err(format!("{more} more threads than before the plugin was made; use the host's `parallel` instead"))
}
