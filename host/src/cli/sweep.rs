//! `lacuna sweep STUDY` and `lacuna reproduce NAME`: every arm, task and seed of a study, from where it stopped.

use std::path::{Path, PathBuf};

use clap::Args;
use experiment::Study;
use records::{Table, duration};
use serde_json::json;

use super::compare::Form;
use super::{Common, Outcome, print_json};
use crate::error::{Error, Result};
use crate::signals::StopFlag;
use crate::study::{SweepOptions, Swept, find, shipped, sweep};

/// Options of both commands.
#[derive(Args)]
struct Options {
    /// Settings for every stage, `run.steps=100`, or of the study itself, `study.metric=valid.accuracy`.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The study's folder. Default: runs/NAME.study; what is done there already is not done again.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// So many seeds: the first of the study's, then further ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
}

#[derive(Args)]
pub(crate) struct SweepArguments {
    /// The study file.
    #[arg(value_name = "STUDY")]
    study: PathBuf,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    form: Form,
}

#[derive(Args)]
pub(crate) struct ReproduceArguments {
    /// A study's short name; `--list` shows them.
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    #[command(flatten)]
    options: Options,
    /// Show the names with their claims and times, and run nothing.
    #[arg(long)]
    list: bool,
}

pub(super) fn run(common: &Common, arguments: &SweepArguments) -> Result<Outcome> {
    let (own, _) = divided(&arguments.options.overrides);
    let study = Study::load(&arguments.study, &own)?;
    let out = absolute(&out(&arguments.options, &study))?;
    let swept = through(&common.absolute()?, study, &arguments.options, out)?;
    if swept.scores.is_none() {
        return Ok(stopped(&swept));
    }
    if common.json {
        print_json(&swept.summary());
    } else if arguments.form.markdown {
        tables(&swept, Table::to_markdown);
    } else if arguments.form.latex {
        tables(&swept, Table::to_latex);
    } else if arguments.form.csv {
        print!("{}", swept.scores.as_ref().map(|scores| scores.standing(&swept.study).to_csv()).unwrap_or_default());
    } else {
        print!("{}", swept.to_terminal());
    }
    Ok(Outcome::Done)
}

pub(super) fn reproduce(common: &Common, arguments: &ReproduceArguments) -> Result<Outcome> {
    let Some(name) = arguments.name.as_ref().filter(|_| !arguments.list) else { return list(common) };
    let found = find(name)?;
    let options = &arguments.options;
    let (own, _) = divided(&options.overrides);
    let study = found.study(&own)?;
    if study.claim.is_empty() || study.expect.is_none() {
        return Err(Error::new("config/study", format!("the study `{name}` claims nothing that could be reproduced"))
            .at(found.file.display().to_string(), 0)
            .with_help("give it `claim = …` and `expect = …`, or run it with `lacuna sweep`"));
    }
    // Its experiments name their data from the repository's root; what the user named is meant from here.
    let (common, out) = (common.absolute()?, absolute(&out(options, &study))?);
    std::env::set_current_dir(&found.root).map_err(|error| Error::file(&found.root, &error))?;
    let swept = through(&common, study, options, out)?;
    let Some(result) = swept.reproduction() else { return Ok(stopped(&swept)) };
    if common.json {
        swept.notes.iter().for_each(|note| eprintln!("note: {note}"));
        print_json(&result);
    } else {
        print!("{}", swept.to_terminal());
    }
    Ok(Outcome::Done)
}

fn tables(swept: &Swept, form: fn(&Table) -> String) {
    swept.tables().iter().for_each(|table| println!("{}", form(table)));
    if let Some(scores) = &swept.scores {
        print!("{}", form(&scores.standing(&swept.study).pairs()));
    }
}

fn list(common: &Common) -> Result<Outcome> {
    let mut all = Vec::new();
    for (name, found) in shipped() {
        let study = found.study(&[])?;
        all.push((name, found.file, study));
    }
    if common.json {
        let studies: Vec<_> = all
            .iter()
            .map(|(name, file, study)| json!({ "name": name, "claim": study.claim, "expect": study.expect.as_ref().map(|expect| &expect.text), "minutes": study.minutes, "file": file }))
            .collect();
        print_json(&json!({ "studies": studies }));
        return Ok(Outcome::Done);
    }
    for (name, _, study) in &all {
        let minutes = study.minutes.map_or("—".into(), |minutes| format!("{minutes} min"));
        println!("{name:<22}{minutes:>8}  {}", study.claim);
    }
    if all.is_empty() {
        println!("no study lies around the current folder or the program");
    }
    Ok(Outcome::Done)
}

/// Settings of the study, and those of its stages.
fn divided(overrides: &[String]) -> (Vec<String>, Vec<String>) {
    let of_study = |text: &&String| ["study.", "arm.", "task."].iter().any(|start| text.starts_with(start));
    (
        overrides.iter().filter(of_study).cloned().collect(),
        overrides.iter().filter(|text| !of_study(text)).cloned().collect(),
    )
}

fn out(options: &Options, study: &Study) -> PathBuf {
    options.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("{}.study", study.name)))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::file(path, &error))
}

fn through(common: &Common, study: Study, options: &Options, out: PathBuf) -> Result<Swept> {
    let (_, overrides) = divided(&options.overrides);
    if let Some(stray) = overrides.iter().find(|text| !text.contains('=')) {
        return Err(Error::new("config/override", format!("`{stray}` is no setting"))
            .with_help("write it as `section.key=value`"));
    }
    let stop = StopFlag::on_signals()
        .map_err(|error| Error::new("run/signals", format!("cannot listen for signals: {error}")))?;
    let seeds = options.seeds.and_then(|seeds| usize::try_from(seeds).ok());
    let plugin_dirs = common.plugin_dir.clone();
    sweep(study, &common.catalogue(), &SweepOptions { out, overrides, seeds, plugin_dirs, stop })
}

fn stopped(swept: &Swept) -> Outcome {
    let (done, all) = swept.done;
    eprintln!(
        "stopped after {}: {done} of {all} runs are done; the same command goes on from here, in {}",
        duration(swept.seconds),
        swept.folder.display()
    );
    Outcome::Stopped
}
