//! `lacuna eval RUN`: the held-out loss of a checkpoint, gaps filled, or what an evaluator finds.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Common, Outcome, measured, print_json};
use crate::error::{Error, Result};
use crate::fill::{Filled, fill};
use crate::train::Session;

#[derive(Args)]
pub(crate) struct EvalArguments {
    /// The run folder; with --with also a model folder.
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// Settings that replace those of the run's record, or of the file of --with: `data.text.valid_files=["other.txt"]`.
    #[arg(value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// A checkpoint of the run: `last`, `best`, or a folder name under `checkpoints`.
    #[arg(long, default_value = "last")]
    checkpoint: String,
    /// Measure with the evaluator of this experiment file, which gets the run's weights and tokenizer. The run stays as it is.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fill", "fill_file", "checkpoint"])]
    with: Option<PathBuf>,
    /// With --with: a new folder for the record of the measurement: figures, and items where samples have any.
    #[arg(long, value_name = "DIR", requires = "with")]
    pub(super) out: Option<PathBuf>,
    /// Fill the gaps of this sentence as the run's objective does; a gap is written `___`. May be given several times. Without an
    /// objective, or for an encoder–decoder: `lacuna generate --fill`.
    #[arg(long, value_name = "TEXT")]
    fill: Vec<String>,
    /// Fill the gaps of each line of this file.
    #[arg(long, value_name = "FILE")]
    fill_file: Option<PathBuf>,
    /// How many guesses for each gap.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    guesses: u64,
    /// At most so many held-out batches; 0 measures no loss.
    #[arg(long, value_name = "N")]
    pub(super) batches: Option<u64>,
}

pub(super) fn run(common: &Common, arguments: &EvalArguments) -> Result<Outcome> {
    if let Some(file) = &arguments.with {
        return measured::with_evaluator(common, arguments, file);
    }
    let sentences = sentences(arguments)?;
    let session = Session::of_run(&arguments.run, &arguments.checkpoint, &arguments.overrides, &common.catalogue())?;
    let measured = if arguments.batches == Some(0) { None } else { session.held_out(arguments.batches)? };
    if measured.is_none() && sentences.is_empty() {
        return Err(Error::new("config/missing", "the run has no held-out data")
            .with_help("give some: `data.text.valid_files=[\"FILE\"]`, or gaps to fill: --fill"));
    }
    let guesses = usize::try_from(arguments.guesses).unwrap_or(1);
    let filled = sentences.iter().map(|text| fill(&session, text, guesses)).collect::<Result<Vec<_>>>()?;
    if common.json {
        print_json(&json!({
            "run": arguments.run,
            "checkpoint": arguments.checkpoint,
            "held_out": measured.as_ref().map(|measured| json!({
                "loss": measured.loss,
                "unigram_loss": measured.unigram,
                "metrics": measured.metrics.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>(),
                "batches": measured.batches,
            })),
            "filled": filled.iter().map(Filled::to_json).collect::<Vec<_>>(),
        }));
        return Ok(Outcome::Done);
    }
    if let Some(measured) = &measured {
        println!("held-out loss {:.4} over {} batches", measured.loss, measured.batches);
        if let Some(unigram) = measured.unigram {
            println!("unigram loss  {unigram:.4} on the same positions");
        }
        for (name, value) in &measured.metrics {
            println!("{name} {value:.4}");
        }
    }
    for filled in &filled {
        println!("\n{}", filled.to_text());
    }
    Ok(Outcome::Done)
}

fn sentences(arguments: &EvalArguments) -> Result<Vec<String>> {
    let mut sentences = arguments.fill.clone();
    if let Some(file) = &arguments.fill_file {
        let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, &error))?;
        sentences.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    Ok(sentences)
}
