//! Two or more runs side by side: final and best values, paired differences, settings that differ.

mod grouped;
mod items;
mod render;
mod settings;
mod standing;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::better::Better;
use crate::error::{Error, Result};
use crate::metrics::Row;
use crate::report::{curve, metric_names, splits};
use crate::run_folder::RunFolder;
use crate::statistics;
pub use grouped::{Group, GroupedComparison};
pub use settings::SettingDifference;
pub use standing::{Cell, ItemPair, ItemScores, LEVEL, Measured, Pair, Standing, Task, TaskStanding, Test};

/// What a comparison reads of a run.
#[derive(Clone, Debug, Default)]
pub struct RunData {
    /// What it is called here.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Rows of `metrics.jsonl`.
    pub metrics: Vec<Row>,
    /// The resolved experiment, each value under its dotted key, written as in TOML.
    pub settings: BTreeMap<String, String>,
    /// For `SPLIT.METRIC` the score of each item, where the run kept them.
    pub items: BTreeMap<String, ItemScores>,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// What was odd about its files.
    pub remarks: Vec<String>,
}

impl RunData {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// [`Error::NoRun`] naming the folder, [`Error::Format`] for a broken `experiment.toml`, [`Error::Line`], [`Error::Io`].
    pub fn read(folder: &Path) -> Result<Self> {
        let run = RunFolder::open(folder)?;
        let name = run.name();
        let rows = run.metrics()?;
        let settings = settings::flatten(&run.experiment()?, &run.path().join("experiment.toml"))?;
        let mut remarks = Vec::new();
        if let Some(torn) = rows.torn {
            remarks.push(format!("{name}: line {} of metrics.jsonl was cut off and is left out", torn.line));
        }
        if rows.rows.is_empty() {
            remarks.push(format!("{name}: nothing was measured"));
        }
        let seconds = run.trained_seconds()?;
        let items = items::scores(&run, &rows.rows)?;
        Ok(Self { name, path: folder.into(), metrics: rows.rows, settings, items, seconds, remarks })
    }
}

/// One metric of one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How many steps it was measured at.
    pub points: usize,
    /// The last of them.
    pub last_step: u64,
    /// The value there.
    #[serde(serialize_with = "as_text_unless_finite")]
    pub last: f64,
    /// The step with the best value, where the metric has a better side.
    pub best_step: Option<u64>,
    /// The best value.
    #[serde(serialize_with = "as_text_unless_finite_option")]
    pub best: Option<f64>,
}

/// A run against the first one, over the steps at which both were measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Matching steps with finite values on both sides.
    pub points: usize,
    /// Mean of (this run − first run).
    pub mean: f64,
    /// 95 % percentile interval of that mean from paired bootstrap draws (Efron 1979); none below two points or for
    /// `train`. It treats points as independent, which points of one run are not quite: a guide, not a proof.
    pub interval: Option<(f64, f64)>,
    /// Steps measured only in the first run.
    pub only_first: usize,
    /// Steps measured only in this run.
    pub only_this: usize,
}

/// One metric on one split, in every run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricComparison {
    /// The metric.
    pub metric: String,
    /// What it was measured on.
    pub split: String,
    /// Which way it gets better.
    pub better: Option<Better>,
    /// For each run its figures, if it has the metric.
    pub runs: Vec<Option<Figures>>,
    /// For each run after the first its difference, if they have a step in common.
    pub differences: Vec<Option<Difference>>,
}

/// Runs side by side; the first is what the others are held against.
#[derive(Clone, Debug)]
pub struct Comparison {
    runs: Vec<RunData>,
    /// Every metric of every split that any run has.
    pub metrics: Vec<MetricComparison>,
    /// Settings that are not the same in all runs.
    pub settings: Vec<SettingDifference>,
    /// What could not be compared, and why.
    pub remarks: Vec<String>,
}

impl Comparison {
    /// Compares the runs in `folders`, the first being the base.
    ///
    /// # Errors
    /// Those of [`RunData::read`]; [`Error::TooFewRuns`].
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        if folders.len() < 2 {
            return Err(Error::TooFewRuns { given: folders.len() });
        }
        Self::of(folders.iter().map(|folder| RunData::read(folder)).collect::<Result<_>>()?)
    }

    /// Compares runs, the first being the base.
    ///
    /// # Errors
    /// [`Error::TooFewRuns`].
    pub fn of(mut runs: Vec<RunData>) -> Result<Self> {
        if runs.len() < 2 {
            return Err(Error::TooFewRuns { given: runs.len() });
        }
        tell_apart(&mut runs);
        let mut remarks: Vec<String> = runs.iter().flat_map(|run| run.remarks.clone()).collect();
        let rows: Vec<Row> = runs.iter().flat_map(|run| run.metrics.iter().cloned()).collect();
        let mut metrics = Vec::new();
        for metric in metric_names(&rows) {
            for split in splits(&rows) {
                metrics.extend(compare_metric(&runs, &metric, &split));
            }
        }
        for compared in &metrics {
            remarks.extend(compared.remarks(&runs));
        }
        let common = metrics.iter().any(|compared| compared.runs.iter().all(Option::is_some));
        if !common {
            remarks.push("the runs have no metric in common".into());
        }
        let settings = settings::differences(&runs);
        Ok(Self { runs, metrics, settings, remarks })
    }

    /// The runs' names, in the order of every list here.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.runs.iter().map(|run| run.name.as_str()).collect()
    }
}

/// Runs of the same name are called by their paths; of the same path by a number as well.
fn tell_apart(runs: &mut [RunData]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    let same = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    for index in 0..runs.len() {
        if !same(&names[index]) {
            continue;
        }
        let path = runs[index].path.display().to_string();
        let before = runs[..index].iter().filter(|run| run.path == runs[index].path).count();
        runs[index].name = if before > 0 { format!("{path} ({})", before + 1) } else { path };
    }
}

fn compare_metric(runs: &[RunData], metric: &str, split: &str) -> Option<MetricComparison> {
    let curves: Vec<Vec<(f64, f64)>> = runs.iter().map(|run| curve(&run.metrics, split, metric)).collect();
    if curves.iter().all(Vec::is_empty) {
        return None;
    }
    let better = Better::of(metric);
    let figures = |points: &Vec<(f64, f64)>| {
        let last = points.last()?;
        let best = better.and_then(|better| better.best(points));
        Some(Figures {
            points: points.len(),
            last_step: last.0 as u64,
            last: last.1,
            best_step: best.map(|best| best.0 as u64),
            best: best.map(|best| best.1),
        })
    };
    let differences = curves[1..].iter().map(|points| difference(&curves[0], points, split, metric)).collect();
    Some(MetricComparison {
        metric: metric.into(),
        split: split.into(),
        better,
        runs: curves.iter().map(figures).collect(),
        differences,
    })
}

fn difference(first: &[(f64, f64)], this: &[(f64, f64)], split: &str, metric: &str) -> Option<Difference> {
    let by_step = |points: &[(f64, f64)]| -> BTreeMap<u64, f64> {
        points.iter().map(|(step, value)| (*step as u64, *value)).collect()
    };
    let (first, this) = (by_step(first), by_step(this));
    let shared: Vec<f64> = this.iter().filter_map(|(step, value)| Some(value - first.get(step)?)).collect();
    let matching = shared.len();
    let finite: Vec<f64> = shared.into_iter().filter(|difference| difference.is_finite()).collect();
    if finite.is_empty() {
        return None;
    }
    let key = philox::Key::root(0).stream("bootstrap").stream(split).stream(metric);
    Some(Difference {
        points: finite.len(),
        mean: statistics::mean(&finite),
        interval: if split == "train" { None } else { statistics::interval(&finite, key) },
        only_first: first.len() - matching,
        only_this: this.len() - matching,
    })
}

impl MetricComparison {
    fn remarks(&self, runs: &[RunData]) -> Vec<String> {
        let mut remarks = Vec::new();
        let about = format!("{} on {}", self.metric, self.split);
        let without: Vec<&str> = runs
            .iter()
            .zip(&self.runs)
            .filter(|(_, figures)| figures.is_none())
            .map(|(run, _)| run.name.as_str())
            .collect();
        if !without.is_empty() {
            remarks.push(format!("{about}: not measured in {}", without.join(", ")));
        }
        for (index, difference) in self.differences.iter().enumerate() {
            if self.runs[0].is_none() || self.runs[index + 1].is_none() {
                continue;
            }
            let pair = format!("{about}, {} against {}", runs[index + 1].name, runs[0].name);
            match difference {
                None => remarks.push(format!("{pair}: no step at which both have a finite value")),
                Some(d) if d.only_first + d.only_this > 0 => remarks.push(format!(
                    "{pair}: compared at {} matching steps; {} steps only in {}, {} only in {}",
                    d.points,
                    d.only_first,
                    runs[0].name,
                    d.only_this,
                    runs[index + 1].name
                )),
                Some(_) => {}
            }
        }
        remarks
    }
}

fn as_text_unless_finite<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    crate::metrics::number_to_json(*value).serialize(serializer)
}

fn as_text_unless_finite_option<S: serde::Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(crate::metrics::number_to_json).serialize(serializer)
}

#[cfg(test)]
mod tests;
