//! Doing what a plan asks for: one run after the other, from where it stopped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use experiment::Study;
use records::{RunFolder, hash_file};

use super::child::{self, Ended, STOP_WITH_INPUT};
use super::folder::StudyFolder;
use super::plan::Plan;
use super::scores::{Scores, better_of};
use crate::error::{Error, Result};
use crate::loader::Catalogue;
use crate::progress::Progress;
use crate::signals::StopFlag;

/// How a study is run.
pub struct SweepOptions {
    /// The study's folder.
    pub out: PathBuf,
    /// Overrides for every stage.
    pub overrides: Vec<String>,
    /// At most so many seeds; more than the study has are counted on from its last.
    pub seeds: Option<usize>,
    /// Folders with plugins, for the children.
    pub plugin_dirs: Vec<PathBuf>,
    /// Asks to stop after the step under way.
    pub stop: StopFlag,
}

/// A study that was gone through.
pub struct Swept {
    /// The study.
    pub study: Study,
    /// Its folder.
    pub folder: PathBuf,
    /// What was measured; none where it was stopped before the end.
    pub scores: Option<Scores>,
    /// Runs that are done, of all.
    pub done: (usize, usize),
    /// How long this call took, in seconds.
    pub seconds: f64,
    /// What should be said beside the result.
    pub notes: Vec<String>,
}

/// How long a run that another process still holds is waited for: one whose parent was killed saves its state first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs what is not done yet and reads the scores. What was done before is not done again.
///
/// # Errors
/// A study that does not fit, before anything is trained; a run that fails, with its own error.
pub fn sweep(study: Study, catalogue: &Catalogue, options: &SweepOptions) -> Result<Swept> {
    let begun = Instant::now();
    let seeds = seeds(&study.seeds, options.seeds);
    for task in study.tasks.iter().map(Some).chain([None]) {
        better_of(&study, task)?;
    }
    let plan = Plan::of(&study, &seeds, &options.overrides)?;
    plan.check()?;
    let (folder, changed) = StudyFolder::open(&options.out, &study, &plan)?;
    let total = plan.runs.len();
    let done_before = plan.runs.iter().filter(|run| folder.finished(run).is_some()).count();
    for file in &changed {
        eprintln!("changed since the last time: {file}");
    }
    if !changed.is_empty() {
        eprintln!("{done_before} of {total} runs do not depend on that and stay; the others are trained anew");
    }
    announce(&study, &plan, done_before);
    let mut progress = Progress::unknown();
    let mut done = 0;
    for at in 0..total {
        if folder.finished(&plan.runs[at]).is_none()
            && (options.stop.raised() || !run(&study, &plan, at, &folder, options, &mut progress)?)
        {
            break;
        }
        done += 1;
    }
    progress.finish();
    let notes = if done == total { stale(&plan, &folder, catalogue) } else { Vec::new() };
    let scores = if done == total { Some(Scores::read(&study, &plan, &seeds, &folder)?) } else { None };
    let seconds = begun.elapsed().as_secs_f64();
    let swept = Swept { study, folder: folder.path().to_path_buf(), scores, done: (done, total), seconds, notes };
    swept.write(&folder)?;
    Ok(swept)
}

/// The first so many; further ones count on from the greatest.
fn seeds(given: &[u64], wanted: Option<usize>) -> Vec<u64> {
    let greatest = given.iter().copied().max().unwrap_or(0);
    let further = (1..).map(|more| greatest.saturating_add(more));
    given.iter().copied().chain(further).take(wanted.unwrap_or(given.len())).collect()
}

fn announce(study: &Study, plan: &Plan, done: usize) {
    let mut parts = vec![format!("{} arms", study.arms.len())];
    if !study.tasks.is_empty() {
        parts.push(format!("{} tasks", study.tasks.len()));
    }
    parts.push(format!("{} cells", plan.cells.len()));
    let runs = plan.runs.len();
    parts.push(if done > 0 { format!("{runs} runs, {done} of them done") } else { format!("{runs} runs") });
    if let Some(minutes) = study.minutes.filter(|_| done < runs) {
        parts.push(format!("the whole takes about {minutes} min on 2 cores"));
    }
    eprintln!("{}: {}", study.name, parts.join(", "));
}

/// One run, to its end; false when it was stopped.
fn run(
    study: &Study,
    plan: &Plan,
    at: usize,
    folder: &StudyFolder,
    options: &SweepOptions,
    progress: &mut Progress,
) -> Result<bool> {
    let planned = &plan.runs[at];
    let label = label(study, plan, at);
    let begun = Instant::now();
    let set = plan.arguments(at, |run| folder.run(run));
    loop {
        while folder.busy(planned) && begun.elapsed() < PATIENCE {
            progress.say(&format!("{label}: waiting for the process that still holds it"));
            std::thread::sleep(Duration::from_millis(200));
        }
        let resume = folder.resumable(planned)?;
        let mut arguments = vec!["run".to_owned(), planned.file.display().to_string()];
        arguments.extend(set.iter().cloned());
        arguments.extend(["--out".into(), folder.run(planned).display().to_string(), "--json".into()]);
        arguments
            .extend(options.plugin_dirs.iter().flat_map(|path| ["--plugin-dir".into(), path.display().to_string()]));
        arguments.push(format!("--{STOP_WITH_INPUT}"));
        if resume {
            arguments.push("--resume".into());
        }
        progress.say(&label);
        let ended = child::run(&arguments, &options.stop, &mut |line| {
            if line.starts_with("step ") && line.contains('/') {
                progress.say(&format!("{label}: {line}"));
            }
        })?;
        let (code, text) = match ended {
            Ended::Done(result) => {
                folder.finish(planned, &set, &result)?;
                progress.line(&format!("{label}: done in {:.1} s", begun.elapsed().as_secs_f64()));
                return Ok(true);
            }
            Ended::Stopped => return Ok(false),
            Ended::Failed(..) if options.stop.raised() => return Ok(false),
            Ended::Failed(code, text) => (code, text),
        };
        // A process left over from a sweep that was killed may have come first.
        let taken =
            ["error[run/busy]", "error[run/exists]", "error[run/not-empty]"].iter().any(|code| text.starts_with(code));
        if taken && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        if resume && text.starts_with("error[run/changed]") {
            progress.line(&format!("{label}: begins anew: {}", text.lines().next().unwrap_or_default()));
            folder.remove(planned)?;
            continue;
        }
        return Err(failure(&label, planned, code, &text));
    }
}

fn failure(label: &str, run: &super::PlannedRun, code: Option<i32>, text: &str) -> Error {
    let ended = code.map_or("was ended by a signal".to_owned(), |code| format!("ended with exit code {code}"));
    let said = if text.is_empty() { String::new() } else { format!("; it said:\n{text}") };
    // A request that was wrong there is wrong here.
    let kind = if code == Some(2) { "config/stage" } else { "study/stage" };
    Error::new(kind, format!("{label} {ended}{said}"))
        .at(run.file.display().to_string(), 0)
        .with_help("mend it and give the same command again: what is done stays")
}

/// `[3/12] electra on sst2, seed 0, stage 2 of 2`.
fn label(study: &Study, plan: &Plan, at: usize) -> String {
    let place = format!("[{}/{}]", at + 1, plan.runs.len());
    let Some((cell, stage)) = plan.first_use(at) else { return place };
    let arm = &study.arms[cell.arm].name;
    let in_task = cell.task.filter(|_| stage >= study.arms[cell.arm].stages.len());
    let task = in_task.map(|task| format!(" on {}", study.tasks[task].name)).unwrap_or_default();
    let stages =
        if cell.runs.len() > 1 { format!(", stage {} of {}", stage + 1, cell.runs.len()) } else { String::new() };
    format!("{place} {arm}{task}, seed {}{stages}", cell.seed)
}

/// Plugins that are no longer those that the runs were trained with.
fn stale(plan: &Plan, folder: &StudyFolder, catalogue: &Catalogue) -> Vec<String> {
    let now: Vec<(String, String)> = catalogue
        .plugins()
        .filter_map(|found| Some((found.manifest.name.clone(), hash_file(&found.path).ok()?)))
        .collect();
    let mut notes = std::collections::BTreeMap::<String, usize>::new();
    for run in &plan.runs {
        let Ok(provenance) = RunFolder::open(&folder.run(run)).and_then(|run| run.provenance()) else { continue };
        for plugin in provenance.plugins {
            let current = now.iter().find(|(name, _)| *name == plugin.name);
            if current.is_some_and(|(_, hash)| *hash != plugin.blake3) {
                *notes.entry(plugin.name).or_default() += 1;
            }
        }
    }
    let path = folder.path().display();
    let note = |(name, runs)| {
        format!(
            "{runs} of {} runs were trained with another build of `{name}`; to train them again, remove `{path}` or give another --out",
            plan.runs.len()
        )
    };
    notes.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::seeds;

    #[test]
    fn seeds_are_the_first_ones_and_go_on_where_they_end() {
        assert_eq!(seeds(&[3, 1, 7], None), [3, 1, 7]);
        assert_eq!(seeds(&[3, 1, 7], Some(2)), [3, 1]);
        assert_eq!(seeds(&[3, 1, 7], Some(5)), [3, 1, 7, 8, 9]);
    }
}
