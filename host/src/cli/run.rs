//! `lacuna run FILE`: trains an experiment, or measures one with `[evaluator]`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use experiment::Experiment;
use records::RunFolder;
use serde_json::json;

use super::{Common, Outcome, measured, print_json, profile};
use crate::error::{Error, Result};
use crate::signals::StopFlag;
use crate::train::{Ended, Finished, RunOptions, train};

#[derive(Args)]
pub(crate) struct RunArguments {
    /// The experiment file. With --resume it may be left out: the run's own record is used.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Settings that replace those of the file: `objective.mask_rate=0.3`.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The run folder, exactly. Default: runs/NAME-0001 or the next free number.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the newest checkpoint of --out.
    #[arg(long)]
    resume: bool,
    /// Measure the time of each operation and print it by operation at the end.
    #[arg(long)]
    profile: bool,
    /// Stop, saved and resumable, when standard input ends: for programs that start runs.
    #[arg(long, hide = true)]
    stop_with_input: bool,
}

pub(super) fn run(common: &Common, arguments: &RunArguments) -> Result<Outcome> {
    let started = Instant::now();
    let experiment = load(arguments)?;
    let stop = StopFlag::on_signals()
        .map_err(|error| Error::new("run/signals", format!("cannot listen for signals: {error}")))?;
    if arguments.stop_with_input {
        stop.raise_when_input_ends();
    }
    let options = RunOptions {
        out: arguments.out.clone(),
        resume: arguments.resume,
        stop,
        report: true,
        until: None,
        started,
        profile: arguments.profile,
        command: std::env::args().collect(),
    };
    let finished = train(experiment, &common.catalogue(), &options)?;
    if let Some(measured) = &finished.measured {
        measured::print(common, measured, &json!({ "run": finished.folder, "seconds": finished.seconds }));
        if !common.json {
            println!("run     {}", finished.folder.display());
        }
    } else if common.json {
        print_json(&to_json(&finished));
    } else {
        print(&finished);
    }
    Ok(if finished.ended == Ended::Done { Outcome::Done } else { Outcome::Stopped })
}

fn load(arguments: &RunArguments) -> Result<Experiment> {
    let file = match (&arguments.file, &arguments.out) {
        // `run --resume --out DIR key=value` puts the first override where the file would be.
        (Some(file), Some(out)) if arguments.resume && !file.is_file() && file.to_string_lossy().contains('=') => {
            let mut overrides = vec![file.to_string_lossy().into_owned()];
            overrides.extend(arguments.overrides.iter().cloned());
            return Ok(Experiment::load(RunFolder::open(out)?.path().join("experiment.toml"), &overrides)?);
        }
        (Some(file), _) => file.clone(),
        (None, Some(out)) if arguments.resume => RunFolder::open(out)?.path().join("experiment.toml"),
        (None, _) => {
            return Err(Error::new("config/file", "no experiment file given")
                .with_help("lacuna run plugins/mlm/experiments/tiny.toml, or lacuna run --resume --out DIR"));
        }
    };
    Ok(Experiment::load(file, &arguments.overrides)?)
}

/// What a finished run says of itself.
pub(crate) fn to_json(finished: &Finished) -> serde_json::Value {
    let held_out = finished.held_out.as_ref().map(|measured| {
        let metrics: serde_json::Map<String, serde_json::Value> =
            measured.metrics.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({ "loss": measured.loss, "unigram_loss": measured.unigram, "metrics": metrics, "batches": measured.batches })
    });
    json!({
        "ended": if finished.ended == Ended::Done { "done" } else { "stopped" },
        "run": finished.folder,
        "step": finished.step,
        "steps": finished.steps,
        "tokens": finished.tokens,
        "parameters": finished.parameters,
        "held_out": held_out,
        "seconds": finished.seconds,
        "seconds_to_first_step": finished.to_first_step.as_secs_f64(),
        "step_milliseconds": finished.step_milliseconds,
        "plugin_share": finished.plugin_share,
        "report": finished.report,
        "profile": finished.profile.as_ref().map(profile::to_json),
    })
}

pub(crate) fn print(finished: &Finished) {
    println!(
        "{} at step {} of {}: {} parameters, {} tokens, {:.1} s ({:.0} ms a step, {:.1} % of it in plugins, first step after {:.2} s)",
        if finished.ended == Ended::Done { "done" } else { "stopped" },
        finished.step,
        finished.steps,
        finished.parameters,
        finished.tokens,
        finished.seconds,
        finished.step_milliseconds,
        finished.plugin_share * 100.0,
        finished.to_first_step.as_secs_f64(),
    );
    if let Some(measured) = &finished.held_out {
        let unigram = measured
            .unigram
            .map(|loss| format!(", a unigram model {loss:.3} on the same positions"))
            .unwrap_or_default();
        println!("held-out loss {:.3}{unigram}", measured.loss);
    }
    println!("run     {}", finished.folder.display());
    if let Some(report) = &finished.report {
        println!("report  {}", report.display());
    }
    if let Some(profile) = &finished.profile {
        profile::print(profile);
    }
    if finished.ended == Ended::Stopped {
        println!("resume  lacuna run --resume --out {}", finished.folder.display());
    }
}
