//! Study files: arms, tasks and seeds that are run side by side, and what the comparison should show.
//!
//! ```toml
//! [study]
//! name = "mosaicbert"                 # left out: the file's name without `.study.toml`
//! claim = "what the paper says, in one sentence (paper, section)"
//! metric = "valid.loss"               # row and key of the last stage's metrics.jsonl
//! expect = "thirty > fifteen"         # `a > b`: a is better
//! seeds = [0, 1, 2]
//! [[arm]]
//! name = "thirty"
//! [[arm.stage]]                       # stages in turn
//! file = "tiny.toml"                  # beside the study file
//! set = ["objective.mask_rate=0.3"]   # {previous}: the run before; {stage.1}: the first; {seed}; {root}: the folder of the data
//! [[task]]                            # optional: each arm goes through each task's stages after its own
//! name = "sst2"
//! [[task.stage]]
//! file = "sst2.toml"
//! set = ["model.encoder.weights={previous}"]
//! ```

mod expectation;
mod grid;
mod parts;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use expectation::{Clause, Expectation, On, Relation, Side};
pub use grid::{Axis, Point};

use crate::check::Checked;
use crate::error::Error;
use crate::experiment::{read, section};
use crate::overrides;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;
use crate::source::Source;
use crate::table::{Table, excerpt};

const HEADER: &str = "[study]";
const SECTIONS: [&str; 3] = ["study", "arm", "task"];
/// What a study file's name ends in.
const ENDING: &str = ".study.toml";

/// A study file, checked.
#[derive(Clone, Debug)]
pub struct Study {
    /// The file as it was named.
    pub path: PathBuf,
    /// Its short name, fit for a folder.
    pub name: String,
    /// What the paper claims; empty where nothing is to be reproduced.
    pub claim: String,
    /// The figure that decides.
    pub metric: Metric,
    /// Which way it gets better; none: its name tells.
    pub better: Option<Better>,
    /// What the claim says of the arms.
    pub expect: Option<Expectation>,
    /// No success is expected at this size: the study reports.
    pub report: bool,
    /// One cell for each.
    pub seeds: Vec<u64>,
    /// Measured time of the whole, in minutes.
    pub minutes: Option<f64>,
    /// Settings of each cell's last stage, in all combinations.
    pub grid: Vec<Axis>,
    /// The figure that chooses among the grid's points; none: each point is an arm of its own.
    pub select: Option<Metric>,
    /// What is compared, at least one.
    pub arms: Vec<Arm>,
    /// What it is compared on; empty where the arms' own last stages tell.
    pub tasks: Vec<Task>,
}

/// A row's split and a key in it: `valid.loss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `train`, `valid`, `test`; `run` for what a run says of itself (`tokens`, `seconds`, `parameters`).
    pub row: String,
    /// The key.
    pub key: String,
}

/// Which way a figure gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the two ways")]
pub enum Better {
    Higher,
    Lower,
}

/// One of the things compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// The point of the grid, where each point is an arm.
    pub point: Option<usize>,
    /// Its stages, in turn; none: the task starts from nothing.
    pub stages: Vec<Stage>,
}

/// Something the arms are measured on.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Its own metric.
    pub metric: Option<Metric>,
    /// Which way that gets better.
    pub better: Option<Better>,
    /// Its stages, which follow the arm's.
    pub stages: Vec<Stage>,
}

/// One run of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The experiment file, absolute.
    pub file: PathBuf,
    /// Overrides, with `{previous}`, `{seed}` and `{root}` in them.
    pub set: Vec<String>,
    /// Where it stands.
    pub place: Source,
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.row, self.key)
    }
}

impl Study {
    /// Reads a study file; `overrides` (`study.seeds=[0]`) replace its values.
    ///
    /// # Errors
    /// [`Error`] of any kind, with its place.
    pub fn load(path: impl AsRef<Path>, overrides: &[String]) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_text(
            &read(path, "a study file, such as `plugins/mlm/experiments/mosaicbert.study.toml`")?,
            path,
            overrides,
        )
    }

    /// As [`Study::load`] with the text at hand; experiment files are looked for beside `path`.
    ///
    /// # Errors
    /// As [`Study::load`].
    pub fn from_text(text: &str, path: &Path, overrides: &[String]) -> Result<Self, Error> {
        let mut root = Table::parse(text, path)?;
        overrides::apply(&mut root, overrides)?;
        if let Some((name, node)) = root.entries.iter().find(|(name, _)| !SECTIONS.contains(&name.as_str())) {
            return Err(Error::UnknownSetting {
                what: "the study".into(),
                name: excerpt(name),
                known: SECTIONS.map(str::to_owned).to_vec(),
                place: node.source.clone().into(),
            });
        }
        let checked = schema().check_with_sources(&in_words(HEADER), &*section(&root, "study", HEADER)?, &[])?;
        let typed: Typed = checked.typed();
        let own_name = typed.name.unwrap_or_else(|| name_of(path));
        parts::name(&own_name, &in_words(HEADER), &checked.source("name"))?;
        let arms = parts::arms(&root, path)?;
        let tasks = parts::tasks(&root, path)?;
        parts::each_has_stages(&arms, &tasks, &root.source)?;
        let grid = typed
            .grid
            .iter()
            .map(|text| grid::Axis::parse(text, &checked.source("grid")))
            .collect::<Result<Vec<_>, _>>()?;
        let select = typed.select.as_deref().map(|text| metric(text, "select", &checked)).transpose()?;
        let arms = if select.is_none() { grid::arms_of(arms, &grid) } else { arms };
        let expect = typed
            .expect
            .as_deref()
            .map(|text| expectation::parse(text, &arms, &tasks, &checked.source("expect")))
            .transpose()?;
        if typed.seeds.is_empty() {
            return Err(Error::Study {
                reason: "`seeds` is empty".into(),
                remedy: "name at least one: `seeds = [0, 1, 2]`".into(),
                place: checked.source("seeds").into(),
            });
        }
        if let Some(twice) = (1..typed.seeds.len()).find(|&at| typed.seeds[..at].contains(&typed.seeds[at])) {
            return Err(Error::Study {
                reason: format!("the seed {} is there twice", typed.seeds[twice]),
                remedy: "give each seed once: the same seed is the same run".into(),
                place: checked.source("seeds").into(),
            });
        }
        Ok(Self {
            path: path.to_path_buf(),
            name: own_name,
            claim: typed.claim,
            metric: metric(&typed.metric, "metric", &checked)?,
            better: typed.better,
            expect,
            report: typed.report,
            seeds: typed.seeds,
            minutes: typed.minutes,
            grid,
            select,
            arms,
            tasks,
        })
    }

    /// The points of the grid among which each cell chooses: one without settings where nothing is to be chosen.
    #[must_use]
    pub fn choices(&self) -> Vec<Point> {
        if self.select.is_some() { grid::points(&self.grid) } else { vec![Point::default()] }
    }

    /// The settings that the grid gives to the last stage of `arm`, as overrides.
    #[must_use]
    pub fn point_of(&self, arm: &Arm) -> Vec<String> {
        arm.point.and_then(|at| grid::points(&self.grid).into_iter().nth(at)).map(|point| point.set).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Typed {
    name: Option<String>,
    claim: String,
    metric: String,
    better: Option<Better>,
    expect: Option<String>,
    report: bool,
    seeds: Vec<u64>,
    minutes: Option<f64>,
    grid: Vec<String>,
    select: Option<String>,
}

fn schema() -> Schema {
    use Kind::{Bool, Float, Integers, Text, Texts};
    Schema {
        fields: vec![
            Field::new("name", Text, "Its short name; left out, the file's name without `.study.toml`.").optional(),
            Field::new("claim", Text, "What the paper claims, with paper and section.").or(""),
            Field::new("metric", Text, "The figure that decides: row and key of the last stage's metrics.")
                .or("valid.loss"),
            Field::new("better", Text, "Which way the figure gets better; left out, its name tells.")
                .optional()
                .one_of(&["higher", "lower"]),
            Field::new("expect", Text, "What the claim says of the arms: `a > b` where a is better.").optional(),
            Field::new("report", Bool, "No success is expected at this size: the study reports.").or(false),
            Field::new("seeds", Integers, "One cell for each.").or(vec![0, 1, 2]).at_least(0.0),
            Field::new("minutes", Float, "Measured time of the whole on two cores.").optional().at_least(0.0),
            Field::new(
                "grid",
                Texts,
                "Settings of the last stage, in all combinations: `optimizer.learning_rate=[0.001, 0.003]`.",
            )
            .or(Vec::<String>::new()),
            Field::new("select", Text, "The figure that chooses among the grid's points; left out, each is an arm.")
                .optional(),
        ],
    }
}

/// `valid.loss`: a row, a point, a key that may hold more points.
fn metric(text: &str, name: &str, checked: &Checked) -> Result<Metric, Error> {
    parts::metric(text, name, &in_words(HEADER), &checked.source(name))
}

fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.strip_suffix(ENDING).or_else(|| file.strip_suffix(".toml")).unwrap_or(&file).to_owned()
}

#[cfg(test)]
mod tests;
