//! Random draws: the same seed gives the same bits, collation is a pure function, threads change nothing.

use std::collections::BTreeMap;

use super::Options;
use super::objective::{Outcome, SEED};
use super::samples;
use super::world::World;
use crate::boundary::AddedColumn;
use crate::error::Result;
use crate::loader::{Catalogue, Found};

/// Threads that collate at once.
const THREADS: usize = 4;

/// The same seed gives the same bits, also from an instance made anew; another seed tells whether anything is drawn.
pub(super) fn same_seed(world: &World, catalogue: &Catalogue, found: &Found, options: &Options) -> Outcome {
    let texts = samples::all();
    let value = |world: &World, seed| world.value(&world.batch(&texts, seed, false)?, seed);
    let (first, second) = (value(world, SEED)?, value(world, SEED)?);
    if first.to_bits() != second.to_bits() {
        return Ok(Err(format!(
            "seed {SEED} gave the loss {first:.17} and then {second:.17}; draw from the host's streams only"
        )));
    }
    let anew = value(&World::new(catalogue, found, options)?, SEED)?;
    if anew.to_bits() != first.to_bits() {
        return Ok(Err(format!("seed {SEED} gave the loss {first:.17}, and {anew:.17} from an instance made anew")));
    }
    let other = value(world, SEED + 1)?;
    let draws = if other.to_bits() == first.to_bits() { "it draws nothing" } else { "another seed gives another loss" };
    Ok(Ok(format!("the same bits twice; {draws}")))
}

/// Collation gives the same columns again, and on several threads at once.
pub(super) fn collate_is_pure(world: &World) -> Outcome {
    if !world.objective.collates() {
        return Ok(Ok("it adds no columns".into()));
    }
    let columns =
        || -> Result<BTreeMap<String, AddedColumn>> { Ok(world.collation(&samples::all(), SEED)?.into_added()) };
    let first = columns()?;
    if let Some(name) = differing(&first, &columns()?) {
        return Ok(Err(format!("the column `{name}` differs the second time: collation keeps state")));
    }
    let at_once: Vec<Result<BTreeMap<String, AddedColumn>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(columns)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    for other in at_once {
        if let Some(name) = differing(&first, &other?) {
            return Ok(Err(format!("the column `{name}` differs when {THREADS} threads collate at once")));
        }
    }
    Ok(Ok(format!("{} columns, the same twice and on {THREADS} threads", first.len())))
}

fn differing(a: &BTreeMap<String, AddedColumn>, b: &BTreeMap<String, AddedColumn>) -> Option<String> {
    a.iter()
        .find(|(name, column)| b.get(*name) != Some(column))
        .map(|(name, _)| name.clone())
        .or_else(|| b.keys().find(|name| !a.contains_key(*name)).cloned())
}
