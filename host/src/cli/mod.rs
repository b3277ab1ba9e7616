//! The command line.
//!
//! Results go to standard output, progress and errors to standard error. Exit codes: 0 done, 1 the run failed, 2 the
//! request was wrong, 75 stopped and resumable.

mod batches;
mod compare;
mod data;
mod demo;
mod doctor;
mod eval;
mod export;
mod features;
mod generate;
mod generate_pictures;
mod generate_with;
mod import;
mod measured;
mod pictures;
mod plugins;
mod profile;
mod run;
mod sounds;
mod sweep;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::loader::{Catalogue, SearchPath};

/// What happened, as the program's exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// It ran and found that something does not hold (a conformance check, a replay).
    Failed,
    /// A signal stopped the run after a step; it was saved and can be resumed.
    Stopped,
}

#[derive(Parser)]
#[command(name = "lacuna", version, about = "Learning by filling in what is missing.", arg_required_else_help = true)]
struct Lacuna {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone)]
pub(crate) struct Common {
    /// A folder with plugins; searched before LACUNA_PLUGIN_PATH and the program's own folder. May be given several times.
    #[arg(long, global = true, value_name = "DIR")]
    plugin_dir: Vec<PathBuf>,
    /// Print machine-readable results on standard output, and nothing else there.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Common {
    pub(crate) fn catalogue(&self) -> Catalogue {
        Catalogue::read(&SearchPath::standard(&self.plugin_dir))
    }

    /// The same with absolute folders, for work that is done in another folder.
    pub(crate) fn absolute(&self) -> Result<Self> {
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|error| Error::file(path, &error));
        Ok(Self { plugin_dir: self.plugin_dir.iter().map(absolute).collect::<Result<_>>()?, json: self.json })
    }
}

#[derive(Subcommand)]
enum Command {
    /// Train an experiment, or measure one with an `[evaluator]`.
    Run(run::RunArguments),
    /// Evaluate a run's checkpoint on its held-out data, or with an evaluator; fill gaps in sentences.
    Eval(eval::EvalArguments),
    /// Continue texts with the causal model of a run or model folder, or let a plugin's decoder make them.
    Generate(generate::GenerateArguments),
    /// Make a model folder out of a Hugging Face folder, with a report of every key.
    Import(import::ImportArguments),
    /// Make a Hugging Face folder out of a run's model or a model folder.
    Export(export::ExportArguments),
    /// Hidden states, logits and pooled embeddings of texts or token ids, into a safetensors file.
    Features(features::FeaturesArguments),
    /// What is installed; details of one plugin; write a new one; check one.
    Plugins(plugins::PluginsArguments),
    /// Look at a data set; tokenise it to memory-mapped shards.
    Data(data::DataArguments),
    /// Replay a run from its record and compare every byte.
    Verify(verify::VerifyArguments),
    /// Run every arm, task and seed of a study, from where it stopped.
    Sweep(sweep::SweepArguments),
    /// Run a shipped study and hold its figures against the paper's claim.
    Reproduce(sweep::ReproduceArguments),
    /// Put two or more runs side by side.
    Compare(compare::CompareArguments),
    /// Devices, plugins, versions, and what is missing.
    Doctor,
    /// Train the small example, evaluate it, and fill some gaps.
    Demo(demo::DemoArguments),
}

/// Reads the command line, does what it says, and prints errors.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Lacuna::parse();
    let common = arguments.common;
    let outcome = match arguments.command {
        Command::Run(run) => run::run(&common, &run),
        Command::Eval(eval) => eval::run(&common, &eval),
        Command::Generate(generate) => generate::run(&common, &generate),
        Command::Import(import) => import::run(&common, &import),
        Command::Export(export) => export::run(&common, &export),
        Command::Features(features) => features::run(&common, &features),
        Command::Plugins(plugins) => plugins::run(&common, &plugins),
        Command::Data(data) => data::run(&common, &data),
        Command::Verify(verify) => verify::run(&common, &verify),
        Command::Sweep(study) => sweep::run(&common, &study),
        Command::Reproduce(study) => sweep::reproduce(&common, &study),
        Command::Compare(compare) => compare::run(&common, &compare),
        Command::Doctor => doctor::run(&common),
        Command::Demo(demo) => demo::run(&common, &demo),
    };
    finish(&outcome)
}

fn finish(outcome: &Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Stopped) => ExitCode::from(75),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit_code(error))
        }
    }
}

/// 2 for what the user can mend in the request, 1 for a run that failed.
fn exit_code(error: &Error) -> u8 {
    let family = error.code().split('/').next().unwrap_or_default();
    let mistaken = matches!(family, "config" | "data" | "run") || error.code() == "plugin/setting";
    if mistaken || error.code().starts_with("plugin/") && !error.happened_in_a_call() { 2 } else { 1 }
}

/// Prints `value` as one line of JSON on standard output.
pub(crate) fn print_json(value: &serde_json::Value) {
    println!("{value}");
}
