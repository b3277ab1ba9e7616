//! `lacuna verify RUN`: replays a run from its record and compares every byte.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use experiment::Experiment;
use records::{Checkpoint, RunFolder};
use serde_json::json;

use super::{Common, Outcome, print_json};
use crate::error::{Error, Result};
use crate::signals::StopFlag;
use crate::train::{RunOptions, train};

#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The run folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Stop the replay at this step and resume it, instead of going through in one piece. Default: the middle.
    #[arg(long, value_name = "STEP")]
    interrupt: Option<u64>,
}

pub(super) fn run(common: &Common, arguments: &VerifyArguments) -> Result<Outcome> {
    let folder = RunFolder::open(&arguments.run)?;
    let last = folder.newest_good()?.checkpoint;
    let interrupt = arguments.interrupt.unwrap_or(last.step / 2);
    let replay = std::env::temp_dir().join(format!("lacuna-verify-{}", std::process::id()));
    let outcome =
        replayed(common, &folder, &replay, interrupt, last.step).and_then(|()| differences(&folder, &last, &replay));
    // The replay is ours; what can't be removed is only left over.
    let _ = std::fs::remove_dir_all(&replay);
    let differences = outcome?;
    if common.json {
        print_json(
            &json!({ "run": arguments.run, "step": last.step, "interrupted_at": interrupt, "same": differences.is_empty(), "differences": differences }),
        );
    } else if differences.is_empty() {
        println!(
            "same bytes: {} steps replayed, interrupted at step {interrupt} and resumed; parameters, optimizer state and metrics agree",
            last.step
        );
    } else {
        println!("the replay differs:");
        differences.iter().for_each(|difference| println!("  {difference}"));
    }
    Ok(if differences.is_empty() { Outcome::Done } else { Outcome::Failed })
}

/// Trains the run again into `replay`: to step `interrupt`, then resumed to `last`.
fn replayed(common: &Common, folder: &RunFolder, replay: &Path, interrupt: u64, last: u64) -> Result<()> {
    let record = folder.path().join("experiment.toml");
    let stop = StopFlag::on_signals().map_err(|error| Error::new("run/signals", error.to_string()))?;
    let catalogue = common.catalogue();
    let legs: Vec<u64> = if interrupt > 0 && interrupt < last { vec![interrupt, last] } else { vec![last] };
    for (leg, until) in legs.into_iter().enumerate() {
        let options = RunOptions {
            out: Some(replay.to_path_buf()),
            resume: leg > 0,
            stop: stop.clone(),
            report: false,
            profile: false,
            until: Some(until),
            started: Instant::now(),
            command: vec!["lacuna verify".into()],
        };
        train(Experiment::load(&record, &[])?, &catalogue, &options)?;
        if stop.raised() {
            return Err(Error::new("run/stopped", "the replay was stopped"));
        }
    }
    Ok(())
}

fn differences(folder: &RunFolder, last: &Checkpoint, replay: &Path) -> Result<Vec<String>> {
    let again = RunFolder::open(replay)?;
    let theirs = again.newest_good()?.checkpoint;
    let mut found = Vec::new();
    if theirs.step != last.step {
        found.push(format!("the run ends at step {}, the replay at step {}", last.step, theirs.step));
    }
    for name in ["model.safetensors", "optimizer.safetensors", "buffers.safetensors"] {
        let read = |checkpoint: &Checkpoint| std::fs::read(checkpoint.path.join(name)).unwrap_or_default();
        if read(last) != read(&theirs) {
            found.push(format!("{name} differs"));
        }
    }
    let metrics = |folder: &RunFolder| -> Result<Vec<records::Row>> {
        Ok(folder.metrics()?.rows.into_iter().filter(|row| row.step <= last.step).collect())
    };
    let (ours, theirs) = (metrics(folder)?, metrics(&again)?);
    let lines = |rows: &[records::Row]| rows.iter().map(records::Row::to_line).collect::<records::Result<Vec<_>>>();
    let (ours, theirs) = (lines(&ours)?, lines(&theirs)?);
    match ours.iter().zip(&theirs).position(|(a, b)| a != b) {
        Some(line) => {
            found.push(format!("metrics differ first in line {}: {} and {}", line + 1, ours[line], theirs[line]))
        }
        None if ours.len() != theirs.len() => {
            found.push(format!("{} metric lines, the replay has {}", ours.len(), theirs.len()))
        }
        None => {}
    }
    Ok(found)
}
