//! `lacuna demo`: trains the small example, measures it beside a unigram model, and fills gaps before the user's eyes.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use experiment::Experiment;
use records::{Body, RunFolder, Section};

use super::{Common, Outcome, run};
use crate::error::{Error, Result};
use crate::fill::fill_held_out;
use crate::signals::StopFlag;
use crate::train::{Ended, RunOptions, Session, train, write_report};

#[derive(Args)]
pub(crate) struct DemoArguments {
    /// The experiment file.
    #[arg(default_value = "plugins/mlm/experiments/tiny.toml", value_name = "FILE")]
    file: PathBuf,
    /// Settings that replace those of the file.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The run folder. Default: runs/NAME-0001 or the next free number.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Sentences whose gaps are filled at the end.
const SENTENCES: usize = 6;

pub(super) fn run(common: &Common, arguments: &DemoArguments) -> Result<Outcome> {
    let started = Instant::now();
    let options = RunOptions {
        out: arguments.out.clone(),
        resume: false,
        stop: StopFlag::on_signals().map_err(|error| Error::new("run/signals", error.to_string()))?,
        report: false,
        profile: false,
        until: None,
        started,
        command: std::env::args().collect(),
    };
    let catalogue = common.catalogue();
    println!("training {}", arguments.file.display());
    let experiment = Experiment::load(&arguments.file, &arguments.overrides)?;
    if experiment.data.text().is_none() {
        let fact =
            format!("the demo fills gaps in text, and the experiment learns from `{}`", experiment.data.header());
        return Err(Error::new("config/modality", fact).with_help("train it with `lacuna run FILE`"));
    }
    let mut finished = train(experiment, &catalogue, &options)?;
    if finished.ended == Ended::Stopped {
        run::print(&finished);
        return Ok(Outcome::Stopped);
    }
    let session = Session::of_run(&finished.folder, "last", &[], &catalogue)?;
    let filled = fill_held_out(&session, SENTENCES)?;
    let folder = RunFolder::open(&finished.folder)?;
    let section = Section {
        title: "Gaps filled in held-out sentences".into(),
        body: Body::Lines(filled.iter().flat_map(crate::fill::Filled::to_spans).collect()),
    };
    write_report(&folder, &session, finished.held_out.as_ref(), vec![section])?;
    finished.report = Some(folder.report_path());
    println!("\nheld-out sentences: what was hidden, what the model put there\n");
    for filled in &filled {
        println!("{}\n", filled.to_text());
    }
    run::print(&finished);
    let Some(measured) = &finished.held_out else {
        return Err(Error::new("config/missing", "the experiment has no held-out data to measure on")
            .with_help("set `data.text.valid_files`"));
    };
    let unigram = measured.unigram.map_or("none".to_owned(), |loss| format!("{loss:.2}"));
    println!("demo: held-out loss {:.2}, unigram {unigram}, run {}", measured.loss, finished.folder.display());
    Ok(Outcome::Done)
}
