//! What an evaluator found, printed; and `lacuna eval RUN --with FILE`.

use std::path::Path;
use std::time::Instant;

use experiment::Experiment;
use serde_json::{Map, Value as Json, json};

use super::eval::EvalArguments;
use super::{Common, Outcome, print_json};
use crate::error::{Error, Result};
use crate::signals::StopFlag;
use crate::train::{Measured, RunOptions, measure, measure_run};

/// Prints figures; as JSON together with the keys of `beside`.
pub(super) fn print(common: &Common, measured: &Measured, beside: &Json) {
    if common.json {
        print_json(&to_json(measured, beside));
        return;
    }
    let on = if measured.training_samples > 0 {
        format!("{} samples, {} to fit on", measured.items.ids.len(), measured.training_samples)
    } else {
        format!("{} samples", measured.items.ids.len())
    };
    println!("{} on {on}", measured.evaluator);
    let width = measured.figures.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &measured.figures {
        println!("  {name:width$}  {}", shown(*value));
    }
}

fn to_json(measured: &Measured, beside: &Json) -> Json {
    let figures: Map<String, Json> =
        measured.figures.iter().map(|(name, value)| (name.clone(), number(*value))).collect();
    let mut all = json!({
        "evaluator": measured.evaluator,
        "figures": figures,
        "samples": measured.items.ids.len(),
        "training_samples": measured.training_samples,
    });
    if let (Some(all), Some(beside)) = (all.as_object_mut(), beside.as_object()) {
        all.extend(beside.clone());
    }
    all
}

/// JSON has no numbers that are not finite.
fn number(value: f64) -> Json {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 { format!("{value}") } else { format!("{value:.4}") }
}

/// Measures a run, or a model folder, with the evaluator of another experiment file.
pub(super) fn with_evaluator(common: &Common, arguments: &EvalArguments, file: &Path) -> Result<Outcome> {
    let started = Instant::now();
    let experiment = load(arguments, file)?;
    if !experiment.objective.evaluator {
        let text = format!("`{}` has no [evaluator]", file.display());
        return Err(Error::new("config/evaluator", text).with_help(
            "give an experiment file that measures, such as `plugins/perplexity/experiments/perplexity.toml`",
        ));
    }
    let (measured, folder) = match &arguments.out {
        None => (measure(experiment, &common.catalogue())?.1, None),
        Some(out) => {
            let options = RunOptions {
                out: Some(out.clone()),
                resume: false,
                stop: StopFlag::default(),
                report: false,
                until: None,
                started,
                profile: false,
                command: std::env::args().collect(),
            };
            let finished = measure_run(experiment, &common.catalogue(), &options)?;
            let measured = finished.measured.ok_or_else(|| Error::new("host/measured", "nothing was measured"))?;
            (measured, Some(finished.folder))
        }
    };
    print(common, &measured, &json!({ "model": arguments.run, "with": file, "run": folder }));
    if let (Some(folder), false) = (&folder, common.json) {
        println!("run     {}", folder.display());
    }
    Ok(Outcome::Done)
}

/// The file's experiment, its models those of the run: family, settings, weights and tokenizer.
fn load(arguments: &EvalArguments, file: &Path) -> Result<Experiment> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, &error))?;
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Error::new("config/syntax", format!("`{}` is not valid TOML: {}", file.display(), error.message()))
    })?;
    let mut roles = Vec::new();
    if let Some(models) = document.get_mut("model").and_then(toml_edit::Item::as_table_like_mut) {
        for (role, section) in models.iter_mut() {
            roles.push(role.get().to_owned());
            // Its own model is for measuring without a run; what the run has been trained with goes first.
            if let Some(section) = section.as_table_like_mut() {
                section.clear();
            }
        }
    }
    if roles.is_empty() {
        return Err(Error::new("config/missing", format!("`{}` has no [model.ROLE] to measure", file.display()))
            .with_help("add `[model.encoder]`, or the role that the evaluator asks for; it may stay empty"));
    }
    let run = std::path::absolute(&arguments.run).map_err(|error| Error::file(&arguments.run, &error))?;
    let mut overrides: Vec<String> = roles.iter().map(|role| format!("model.{role}.weights={}", json!(run))).collect();
    if run.join("tokenizer.json").is_file() && document.get("data").and_then(|data| data.get("text")).is_some() {
        overrides.push(format!("data.text.tokenizer={}", json!(run)));
    }
    overrides.extend(arguments.batches.map(|batches| format!("evaluator.batches={batches}")));
    overrides.extend(arguments.overrides.iter().cloned());
    Ok(Experiment::from_text(&document.to_string(), file, &overrides)?)
}
