//! The figures of a study: one for each cell, and a row of them for each arm on each task.

use experiment::{Better as Way, Metric, Study, Task, suggest};
use records::statistics::{deviation, mean};
use records::{Better, ItemScores, Measured, RunData, RunFolder, Standing, Test};
use serde_json::Value as Json;

use super::folder::StudyFolder;
use super::plan::{Cell, Plan};
use crate::error::{Error, Result};

/// The split of a [`Metric`] that means what a run says of itself.
const OF_THE_RUN: &str = "run";

/// One measurement.
#[derive(Clone, Debug)]
pub struct Score {
    /// Its seed.
    pub seed: u64,
    /// The figure.
    pub value: f64,
    /// The figure that chose among the grid's points.
    pub chosen_by: Option<f64>,
    /// Tokens seen in all its stages.
    pub tokens: u64,
    /// Seconds of training in all its stages; this alone depends on the clock.
    pub seconds: f64,
    /// The folder of its last run.
    pub run: std::path::PathBuf,
    /// The figure of each item, where the run kept them.
    pub items: Option<ItemScores>,
}

/// An arm on a task.
#[derive(Clone, Debug)]
pub struct Row {
    /// The arm.
    pub arm: usize,
    /// The task, where the study has some.
    pub task: Option<usize>,
    /// The settings that the grid chose; empty without a choice.
    pub chosen: Vec<String>,
    /// One for each seed, in the study's order.
    pub scores: Vec<Score>,
}

/// All figures, arm after arm, task after task.
#[derive(Clone, Debug)]
pub struct Scores {
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Row {
    /// The figures, one for each seed.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        self.scores.iter().map(|score| score.value).collect()
    }

    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        mean(&self.values())
    }

    /// Their standard deviation, from two seeds on.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        deviation(&self.values())
    }
}

impl Scores {
    /// Reads the figures of a plan whose runs are all done.
    pub(super) fn read(study: &Study, plan: &Plan, seeds: &[u64], folder: &StudyFolder) -> Result<Self> {
        let choices = study.choices();
        let tasks: Vec<Option<usize>> =
            if study.tasks.is_empty() { vec![None] } else { (0..study.tasks.len()).map(Some).collect() };
        let mut rows = Vec::new();
        for arm in 0..study.arms.len() {
            for &task in &tasks {
                let metric = metric_of(study, task.map(|task| &study.tasks[task]));
                let row = |choice: usize| -> Result<Row> {
                    let cells =
                        plan.cells.iter().filter(|cell| (cell.arm, cell.task, cell.choice) == (arm, task, choice));
                    let scores = cells.map(|cell| score(study, plan, cell, metric, folder)).collect::<Result<_>>()?;
                    Ok(Row { arm, task, chosen: choices[choice].set.clone(), scores })
                };
                let all = (0..choices.len()).map(row).collect::<Result<Vec<Row>>>()?;
                rows.extend(chosen(study, all));
            }
        }
        Ok(Self { seeds: seeds.to_vec(), rows })
    }

    /// The arms on the tasks: means, every pair tested, ranks.
    #[must_use]
    pub fn standing(&self, study: &Study) -> Standing {
        let tasks: Vec<Option<&Task>> =
            if study.tasks.is_empty() { vec![None] } else { study.tasks.iter().map(Some).collect() };
        let measured = |row: &Row| Measured {
            values: row.scores.iter().map(|score| (score.seed, score.value)).collect(),
            items: row.scores.iter().filter_map(|score| Some((score.seed, score.items.clone()?))).collect(),
            tokens: Some(mean(&row.scores.iter().map(|score| score.tokens as f64).collect::<Vec<_>>())),
            seconds: Some(mean(&row.scores.iter().map(|score| score.seconds).collect::<Vec<_>>())),
        };
        let on = |(at, task): (usize, &Option<&Task>)| records::Task {
            name: task.map_or_else(|| study.metric.to_string(), |task| task.name.clone()),
            better: better_of(study, *task).ok(),
            systems: (0..study.arms.len()).map(|arm| self.row(arm, task.map(|_| at)).map(measured)).collect(),
        };
        let tasks: Vec<records::Task> = tasks.iter().enumerate().map(on).collect();
        Standing::of(study.arms.iter().map(|arm| arm.name.clone()).collect(), &tasks, Test::Auto)
    }

    /// An arm on a task.
    #[must_use]
    pub fn row(&self, arm: usize, task: Option<usize>) -> Option<&Row> {
        self.rows.iter().find(|row| row.arm == arm && row.task == task)
    }
}

/// The point of the grid that is best on the mean over the seeds; of equals the first.
fn chosen(study: &Study, rows: Vec<Row>) -> Option<Row> {
    let Some(select) = &study.select else { return rows.into_iter().next() };
    let sign = sign(way_of(select, study.better).unwrap_or(Better::Higher));
    let goodness = |row: &Row| sign * mean(&row.scores.iter().filter_map(|score| score.chosen_by).collect::<Vec<_>>());
    rows.into_iter().reduce(|best, next| {
        let better = goodness(&next) > goodness(&best) || goodness(&best).is_nan();
        if better { next } else { best }
    })
}

/// +1 where higher is better.
pub(super) fn sign(better: Better) -> f64 {
    if better == Better::Higher { 1.0 } else { -1.0 }
}

/// The metric of a task, or of the study.
pub(super) fn metric_of<'a>(study: &'a Study, task: Option<&'a Task>) -> &'a Metric {
    task.and_then(|task| task.metric.as_ref()).unwrap_or(&study.metric)
}

/// Which way the figure of a task, or of the study, gets better.
pub(super) fn better_of(study: &Study, task: Option<&Task>) -> Result<Better> {
    let own = task.filter(|task| task.metric.is_some()).map(|task| task.better);
    let given = own.unwrap_or(task.and_then(|task| task.better).or(study.better));
    let metric = metric_of(study, task);
    // Where every task has its own metric, nobody asks for that of the study.
    if task.is_none() && !study.tasks.is_empty() && study.tasks.iter().all(|task| task.metric.is_some()) {
        return Ok(Better::Higher);
    }
    way_of(metric, given).ok_or_else(|| {
        Error::new("config/missing", format!("`{metric}` does not say which way it gets better"))
            .at(study.path.display().to_string(), 0)
            .with_help("add `better = \"higher\"` or `better = \"lower\"`")
    })
}

fn way_of(metric: &Metric, given: Option<Way>) -> Option<Better> {
    match given {
        Some(Way::Higher) => Some(Better::Higher),
        Some(Way::Lower) => Some(Better::Lower),
        None if metric.row == OF_THE_RUN && metric.key.contains("seconds") => Some(Better::Lower),
        None => Better::of(&metric.key),
    }
}

fn score(study: &Study, plan: &Plan, cell: &Cell, metric: &Metric, folder: &StudyFolder) -> Result<Score> {
    let Some(&last) = cell.runs.last() else {
        return Err(Error::new("config/study", "a cell without runs"));
    };
    let (mut tokens, mut seconds) = (0, 0.0);
    for &run in &cell.runs {
        let result = folder.finished(&plan.runs[run]).unwrap_or_default();
        tokens += result["tokens"].as_u64().unwrap_or(0);
        let trained = RunFolder::open(&folder.run(&plan.runs[run]))?.trained_seconds()?;
        seconds += trained.or(result["seconds"].as_f64()).unwrap_or(0.0);
    }
    let result = folder.finished(&plan.runs[last]).unwrap_or_default();
    let run = folder.run(&plan.runs[last]);
    let value = read(metric, &run, &result)?;
    let items = RunData::read(&run)?.items.remove(&metric.to_string());
    let chosen_by = study.select.as_ref().map(|select| read(select, &run, &result)).transpose()?;
    Ok(Score { seed: cell.seed, value, chosen_by, tokens, seconds, run, items })
}

/// The last row of the split that has the key.
fn read(metric: &Metric, run: &std::path::Path, result: &Json) -> Result<f64> {
    let missing = |known: Vec<String>| {
        let text = format!("`{metric}` was not measured in `{}`", run.display());
        let wanted = metric.to_string();
        let near = suggest(&wanted, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
        let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Error::new("config/metric", text).with_help(format!("{}it has {list}", near.unwrap_or_default()))
    };
    if metric.row == OF_THE_RUN {
        let known = || result.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
        return result[metric.key.as_str()]
            .as_f64()
            .ok_or_else(|| missing(known().map(|(name, _)| format!("{OF_THE_RUN}.{name}")).collect()));
    }
    let rows = RunFolder::open(run)?.metrics()?.rows;
    let found = rows.iter().rev().filter(|row| row.split == metric.row).find_map(|row| row.get(&metric.key));
    found.ok_or_else(|| {
        let mut known: Vec<String> = Vec::new();
        for row in &rows {
            for (key, _) in &row.values {
                let name = format!("{}.{key}", row.split);
                if !known.contains(&name) {
                    known.push(name);
                }
            }
        }
        missing(known)
    })
}
