//! Which runs a study is made of: a stage of a cell is named by what it depends on, so that equal ones are one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use experiment::{Experiment, Stage, Study};
use serde_json::json;

use crate::error::{Error, Result};

const PREVIOUS: &str = "{previous}";
/// What `{stage.1}` begins with.
const STAGE: &str = "{stage.";
const ROOT: &str = "{root}";

/// One run: an experiment with its overrides.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Its folder below `runs`: the file's name, the seed, and the beginning of the hash of all that it depends on.
    pub name: String,
    /// That hash.
    pub key: String,
    /// The experiment file.
    pub file: PathBuf,
    /// Its overrides; `{previous}` and `{stage.1}` still stand in them.
    pub set: Vec<String>,
    /// What stands in them for the folders of earlier runs, and which those are.
    pub earlier: Vec<(String, usize)>,
}

/// One measurement: an arm on a task with a seed.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The arm.
    pub arm: usize,
    /// The task, where the study has some.
    pub task: Option<usize>,
    /// The point of the grid that it tries.
    pub choice: usize,
    /// The seed.
    pub seed: u64,
    /// Its runs, in turn; the last one is measured.
    pub runs: Vec<usize>,
}

/// All runs of a study, each after those it needs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The runs.
    pub runs: Vec<PlannedRun>,
    /// The cells, all arms of the first seed before the second.
    pub cells: Vec<Cell>,
    /// The experiment files with the hashes of their contents.
    pub files: BTreeMap<String, String>,
}

impl Plan {
    /// The plan of `study` for `seeds`; `overrides` are added to those of every stage.
    ///
    /// # Errors
    /// An experiment file that can't be read, `{root}` without a folder of data.
    pub fn of(study: &Study, seeds: &[u64], overrides: &[String]) -> Result<Self> {
        let mut plan = Self::default();
        let choices = study.choices();
        let tasks: Vec<Option<usize>> =
            if study.tasks.is_empty() { vec![None] } else { (0..study.tasks.len()).map(Some).collect() };
        for &seed in seeds {
            for (arm_at, arm) in study.arms.iter().enumerate() {
                for (choice, point) in choices.iter().enumerate() {
                    for &task in &tasks {
                        let of_task = task.map_or(&[][..], |task| study.tasks[task].stages.as_slice());
                        let stages: Vec<&Stage> = arm.stages.iter().chain(of_task).collect();
                        let grid: Vec<String> = study.point_of(arm).into_iter().chain(point.set.clone()).collect();
                        let mut runs = Vec::new();
                        for (at, stage) in stages.iter().enumerate() {
                            let grid = if at + 1 == stages.len() { grid.as_slice() } else { &[] };
                            let run = plan.run(stage, grid, overrides, seed, &runs)?;
                            runs.push(run);
                        }
                        plan.cells.push(Cell { arm: arm_at, task, choice, seed, runs });
                    }
                }
            }
        }
        Ok(plan)
    }

    fn run(
        &mut self,
        stage: &Stage,
        grid: &[String],
        overrides: &[String],
        seed: u64,
        before: &[usize],
    ) -> Result<usize> {
        let hash = self.hash(&stage.file)?;
        let all = stage.set.iter().chain(grid).chain(overrides);
        // An arm without stages begins its tasks from nothing: what a task takes from the arm is left out.
        let kept = all.filter(|set| !before.is_empty() || !set.contains(PREVIOUS));
        let mut set = kept.map(|set| filled(set, seed, overrides, stage)).collect::<Result<Vec<String>>>()?;
        if !set.iter().any(|set| set.starts_with("run.seed=")) {
            set.push(format!("run.seed={seed}"));
        }
        let earlier = earlier(&set, before, stage)?;
        let key_of = |at: usize| self.runs[at].key.clone();
        let previous = earlier.iter().find(|(name, _)| name == PREVIOUS).map(|(_, at)| key_of(*at));
        let mut identity = json!({ "file": hash, "set": set, "previous": previous });
        for (name, at) in earlier.iter().filter(|(name, _)| name != PREVIOUS) {
            identity[name] = json!(key_of(*at));
        }
        let key = blake3::hash(identity.to_string().as_bytes()).to_hex().to_string();
        if let Some(same) = self.runs.iter().position(|run| run.key == key) {
            return Ok(same);
        }
        let stem = stage.file.file_stem().unwrap_or_default().to_string_lossy();
        let stem: String =
            stem.chars().take(40).map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        let name = format!("{stem}-seed{seed}-{}", &key[..10]);
        self.runs.push(PlannedRun { name, key, file: stage.file.clone(), set, earlier });
        Ok(self.runs.len() - 1)
    }

    fn hash(&mut self, file: &Path) -> Result<String> {
        let name = file.display().to_string();
        if let Some(known) = self.files.get(&name) {
            return Ok(known.clone());
        }
        let bytes = std::fs::read(file).map_err(|error| Error::file(file, &error))?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        self.files.insert(name, hash.clone());
        Ok(hash)
    }

    /// Reads every experiment that depends on no other run, so that a mistake in the last one shows before the first starts.
    ///
    /// # Errors
    /// The first experiment that is refused, and which it is.
    pub fn check(&self) -> Result<()> {
        for run in self.runs.iter().filter(|run| run.earlier.is_empty()) {
            Experiment::load(&run.file, &run.set)
                .map_err(|error| Error::from(error).within(vec![format!("stage {}", run.file.display())]))?;
        }
        Ok(())
    }

    /// The overrides of a run, where each run lies in the folder that `folder` tells.
    #[must_use]
    pub fn arguments(&self, run: usize, folder: impl Fn(&PlannedRun) -> PathBuf) -> Vec<String> {
        let PlannedRun { set, earlier, .. } = &self.runs[run];
        let filled = |text: &String| {
            earlier.iter().fold(text.clone(), |text, (name, at)| {
                text.replace(name, &folder(&self.runs[*at]).display().to_string())
            })
        };
        set.iter().map(filled).collect()
    }

    /// The first cell that needs a run, and the place of the run in it.
    #[must_use]
    pub fn first_use(&self, run: usize) -> Option<(&Cell, usize)> {
        self.cells.iter().find_map(|cell| Some((cell, cell.runs.iter().position(|&at| at == run)?)))
    }
}

/// What stands in overrides for earlier runs, `{previous}` and `{stage.1}`, each with its run among those `before` in the cell.
fn earlier(set: &[String], before: &[usize], stage: &Stage) -> Result<Vec<(String, usize)>> {
    let mut found: Vec<(String, usize)> = Vec::new();
    if set.iter().any(|set| set.contains(PREVIOUS)) {
        found.extend(before.last().map(|at| (PREVIOUS.to_owned(), *at)));
    }
    for set in set {
        for (at, _) in set.match_indices(STAGE) {
            let rest = &set[at + STAGE.len()..];
            let name = rest.split_once('}').map(|(number, _)| (format!("{STAGE}{number}}}"), number.parse::<usize>()));
            let run = name.as_ref().and_then(|(_, number)| before.get(number.as_ref().ok()?.checked_sub(1)?));
            let (Some((name, _)), Some(run)) = (&name, run) else {
                let text =
                    format!("`{set}` means a stage that does not come before this one, number {}", before.len() + 1);
                let error = Error::new("config/study", text)
                    .with_help("`{stage.1}` is the run folder of the first stage of the arm; those of a task count on");
                let line = stage.place.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
                return Err(match stage.place.file() {
                    Some(file) => error.at(file.display().to_string(), line),
                    None => error,
                });
            };
            if !found.iter().any(|(known, _)| known == name) {
                found.push((name.clone(), *run));
            }
        }
    }
    Ok(found)
}

/// `{seed}` and `{root}` filled in; `{root}` of data files is the experiment's own to fill.
fn filled(set: &str, seed: u64, overrides: &[String], stage: &Stage) -> Result<String> {
    let set = set.replace("{seed}", &seed.to_string());
    if !set.contains(ROOT) || set.starts_with("data.") {
        return Ok(set);
    }
    let given = overrides.iter().rev().find_map(|text| text.strip_prefix("data.root="));
    let root = given.map(|text| text.trim_matches('"').to_owned()).or_else(|| std::env::var("LACUNA_DATA").ok());
    match root {
        Some(root) => Ok(set.replace(ROOT, &root)),
        None => {
            let text = format!("`{set}` needs the folder of the data");
            let error =
                Error::new("config/file", text).with_help("add `data.root=DIR`, or run `export LACUNA_DATA=DIR`");
            let line = stage.place.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
            Err(match stage.place.file() {
                Some(file) => error.at(file.display().to_string(), line),
                None => error,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn study(text: &str) -> (tempfile::TempDir, Study) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.toml", "b.toml"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let study = Study::from_text(text, &folder.path().join("x.study.toml"), &[]).unwrap();
        (folder, study)
    }

    const TEXT: &str = "[study]\n[[arm]]\nname = 'one'\n[[arm.stage]]\nfile = 'a.toml'\n[[arm.stage]]\nfile = 'b.toml'\n\
        set = ['model.encoder.weights={previous}', 'x.y=1']\n[[arm]]\nname = 'two'\n[[arm.stage]]\nfile = 'a.toml'\n\
        [[arm.stage]]\nfile = 'b.toml'\nset = ['model.encoder.weights={previous}', 'x.y={seed}']\n";

    #[test]
    fn equal_stages_are_one_run() {
        let (_folder, study) = study(TEXT);
        let plan = Plan::of(&study, &[1, 5], &["run.steps=2".into()]).unwrap();
        // With seed 1 both arms come to the same overrides.
        assert_eq!((plan.cells.len(), plan.runs.len()), (4, 5));
        assert_eq!(plan.cells[0].runs, plan.cells[1].runs);
        assert_eq!(plan.cells[2].runs[0], plan.cells[3].runs[0]);
        assert_ne!(plan.cells[2].runs[1], plan.cells[3].runs[1]);
        let last = plan.cells[3].runs[1];
        let arguments = plan.arguments(last, |_| PathBuf::from("/r/first"));
        assert_eq!(arguments, ["model.encoder.weights=/r/first", "x.y=5", "run.steps=2", "run.seed=5"]);
        assert!(plan.runs[last].name.starts_with("b-seed5-"));
    }

    #[test]
    fn a_run_is_named_by_what_it_depends_on() {
        let (folder, study) = study(TEXT);
        let names = |plan: &Plan| plan.runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>();
        let before = names(&Plan::of(&study, &[5], &[]).unwrap());
        std::fs::write(folder.path().join("a.toml"), "other").unwrap();
        let after = names(&Plan::of(&study, &[5], &[]).unwrap());
        assert!(
            before.iter().zip(&after).all(|(a, b)| a != b),
            "what follows a changed run changes: {before:?} {after:?}"
        );
    }

    #[test]
    fn a_stage_may_take_from_any_before_it() {
        let text = |second: &str, third: &str| {
            let stage = |file: &str, set: &str| format!("[[arm.stage]]\nfile = '{file}.toml'\nset = [{set}]\n");
            format!(
                "[study]\n[[arm]]\nname = 'one'\n{}{}{}",
                stage("a", "'x.y=1'"),
                stage("b", second),
                stage("b", third)
            )
        };
        let (_folder, mended) = study(&text("", "'x.a={stage.1}', 'x.b={previous}', 'x.c={stage.2}'"));
        let plan = Plan::of(&mended, &[0], &[]).unwrap();
        let arguments = plan.arguments(2, |run| PathBuf::from(run.file.file_name().unwrap()));
        assert_eq!(arguments, ["x.a=a.toml", "x.b=b.toml", "x.c=b.toml", "run.seed=0"]);
        let (_folder, other) = study(&text("", "'x.a={stage.2}', 'x.b={previous}', 'x.c={stage.1}'"));
        assert_ne!(Plan::of(&other, &[0], &[]).unwrap().runs[2].key, plan.runs[2].key);
        for wrong in ["{stage.0}", "{stage.2}", "{stage.x}", "{stage."] {
            let (_folder, odd) = study(&text(&format!("'x.a={wrong}'"), ""));
            assert_eq!(Plan::of(&odd, &[0], &[]).unwrap_err().code, "config/study", "{wrong}");
        }
    }

    #[test]
    fn an_arm_without_stages_begins_its_tasks_from_nothing() {
        let (_folder, study) = study(
            "[study]\n[[arm]]\nname = 'random'\n[[arm]]\nname = 'trained'\n[[arm.stage]]\nfile = 'a.toml'\n\
             [[task]]\nname = 't'\n[[task.stage]]\nfile = 'b.toml'\nset = ['model.encoder.weights={previous}', 'run.seed=9']\n",
        );
        let plan = Plan::of(&study, &[3], &[]).unwrap();
        assert_eq!(plan.runs[plan.cells[0].runs[0]].set, ["run.seed=9"]);
        assert_eq!(plan.runs[plan.cells[1].runs[1]].set, ["model.encoder.weights={previous}", "run.seed=9"]);
    }
}
