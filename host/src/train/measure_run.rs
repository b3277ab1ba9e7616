//! A run that measures: the run folder of an experiment with `[evaluator]`.

use std::time::{Duration, Instant, SystemTime};

use experiment::Experiment;
use records::{MetricsWriter, Provenance, Row, RunFolder, utc_text};
use serde_json::{Map, json};

use super::items::{write_items, write_sheets};
use super::measurement::{Measured, Measurement};
use super::run::{Ended, Finished, RunOptions, new_folder};
use super::session::{fingerprint, host_facts, plugin_facts};
use crate::error::{Error, Result};
use crate::loader::Catalogue;
use crate::progress::Progress;

/// Measures what an experiment with `[evaluator]` says, without writing anything but caches.
///
/// # Errors
/// As [`Measurement::open`] and [`Measurement::measure`].
pub fn measure(experiment: Experiment, catalogue: &Catalogue) -> Result<(Measurement, Measured)> {
    let mut progress = Progress::unknown();
    let measurement = Measurement::open(experiment, catalogue, &mut |what, documents, tokens| {
        match (documents, tokens) {
            (0, _) => progress.say(what),
            (documents, _) => progress.say(&format!("{what}: {documents} documents")),
        };
    })?;
    let measured = measurement.measure(&mut |samples| progress.say(&format!("measured {samples} samples")))?;
    progress.finish();
    Ok((measurement, measured))
}

/// Measures, and keeps what was found in a run folder: the resolved experiment, figures as the row `valid` of `metrics.jsonl`,
/// and items.
///
/// # Errors
/// As [`measure`], and when the folder can't be written.
pub fn measure_run(experiment: Experiment, catalogue: &Catalogue, options: &RunOptions) -> Result<Finished> {
    if options.resume {
        return Err(Error::new("run/resume", "a measurement cannot be resumed: it has no steps")
            .with_help("run it anew without `--resume`"));
    }
    let begun = Instant::now();
    let (measurement, measured) = measure(experiment, catalogue)?;
    let folder = open_folder(&measurement, options)?;
    measurement.log.write_to(&folder)?;
    let figures = measured.figures.iter().cloned();
    let row = figures.fold(Row::new(0, "valid"), |row, (name, value)| row.with(&name, value));
    let mut metrics = MetricsWriter::create(&folder.metrics_path())?;
    metrics.append(&row)?;
    metrics.sync()?;
    write_items(&folder, "valid", &measured.items)?;
    write_sheets(&folder, "valid", &measured.sheets)?;
    Ok(Finished {
        ended: Ended::Done,
        folder: folder.path().to_path_buf(),
        step: 0,
        steps: 0,
        held_out: None,
        measured: Some(measured),
        parameters: measurement.weights.parameters(),
        tokens: 0,
        to_first_step: Duration::ZERO,
        seconds: begun.elapsed().as_secs_f64(),
        plugin_share: 0.0,
        step_milliseconds: 0.0,
        profile: None,
        report: None,
    })
}

fn open_folder(measurement: &Measurement, options: &RunOptions) -> Result<RunFolder> {
    let folder = new_folder(options, &measurement.experiment.run.name)?;
    let fingerprint = fingerprint(&measurement.experiment, &measurement.plugins, &measurement.data);
    folder.write_provenance(&Provenance {
        started: utc_text(SystemTime::now()),
        command: options.command.clone(),
        host: host_facts()?,
        plugins: plugin_facts(&measurement.plugins),
        data: Vec::new(),
        facts: Map::from_iter([
            ("boundary".to_owned(), json!(lacuna_abi::BOUNDARY)),
            ("data".to_owned(), json!(measurement.data.fingerprint)),
            ("parameters".to_owned(), json!(measurement.weights.parameters())),
            ("fingerprint".to_owned(), json!(fingerprint)),
        ]),
        resumed: Vec::new(),
    })?;
    if let Some(text) = &measurement.data.text {
        text.tokenizer.save(folder.path().join("tokenizer.json"))?;
    }
    // Last: a folder without this file is no run yet.
    folder.write_experiment(&measurement.experiment.resolved())?;
    Ok(folder)
}
