//! The loop of a run, from its first step, or the one after its newest checkpoint, to its last.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use experiment::Experiment;
use records::{
    CheckpointWriter, MetricsWriter, Provenance, Resumption, Retention, Row, RunFolder, RunRows, Written, utc_text,
};
use serde_json::{Map, json};

use super::checkpoint::State;
use super::evaluate::HeldOut;
use super::guards::Guards;
use super::items::{write_items, write_sheets};
use super::measure_run::measure_run;
use super::measurement::Measured;
use super::meters::Meters;
use super::session::Session;
use crate::error::{Error, Result};
use crate::loader::Catalogue;
use crate::progress::Progress;
use crate::signals::StopFlag;

/// How a run is started.
pub struct RunOptions {
    /// The run folder, exactly; by default `runs/NAME-0001` or the next free number.
    pub out: Option<PathBuf>,
    /// Go on from the newest checkpoint of `out`.
    pub resume: bool,
    /// Asks the run to stop after the step under way.
    pub stop: StopFlag,
    /// Whether to write the report at the end.
    pub report: bool,
    /// Stop, saved and resumable, after this step.
    pub until: Option<u64>,
    /// When the program started, for the time to the first step.
    pub started: Instant,
    /// Measure the time of each operation.
    pub profile: bool,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Done,
    /// A signal asked for it; the state is saved.
    Stopped,
}

/// Steps whose operations are not measured.
const UNMEASURED: usize = 2;

/// The time of each operation over some steps.
pub struct Profile {
    /// How many steps were measured.
    pub steps: usize,
    /// How long they took together.
    pub total: Duration,
    /// The operations, the longest first.
    pub entries: Vec<compute::profile::Entry>,
}

/// A run that ended in order.
pub struct Finished {
    /// Why.
    pub ended: Ended,
    /// The run folder.
    pub folder: PathBuf,
    /// The last step done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The last held-out measurement.
    pub held_out: Option<HeldOut>,
    /// What an evaluator found, where the experiment names one: then nothing was trained.
    pub measured: Option<Measured>,
    /// Trained numbers.
    pub parameters: usize,
    /// Tokens seen.
    pub tokens: u64,
    /// From the program's start to the end of the first step.
    pub to_first_step: Duration,
    /// Time spent in the loop.
    pub seconds: f64,
    /// The share of the steps' time that was spent inside plugins.
    pub plugin_share: f64,
    /// Median time of a step in milliseconds.
    pub step_milliseconds: f64,
    /// The time of each operation, if it was measured.
    pub profile: Option<Profile>,
    /// Where the report is, if one was written.
    pub report: Option<PathBuf>,
}

/// Trains an experiment, or measures one with `[evaluator]`.
///
/// # Errors
/// When the request does not fit (settings, plugins, data, folder: before anything is written), or when the run fails:
/// then its folder holds the last checkpoint.
pub fn train(experiment: Experiment, catalogue: &Catalogue, options: &RunOptions) -> Result<Finished> {
    if experiment.objective.evaluator {
        return measure_run(experiment, catalogue, options);
    }
    let mut progress = Progress::unknown();
    let mut session = Session::open(experiment, catalogue, &mut |what, documents, tokens| match (documents, tokens) {
        (0, _) => progress.say(what),
        (documents, 0) => progress.say(&format!("{what}: {documents} documents")),
        (documents, tokens) => progress.say(&format!("{what}: {documents} documents, {tokens} tokens")),
    })?;
    progress.finish();
    let folder = open_folder(&session, options)?;
    session.log.write_to(&folder)?;
    let outcome = Loop::open(&mut session, &folder, options).and_then(|run| run.run());
    if let Err(error) = &outcome {
        log(&folder, &error.to_string());
    }
    let mut finished = outcome?;
    if options.report {
        super::report::write_report(&folder, &session, finished.held_out.as_ref(), Vec::new())?;
        finished.report = Some(folder.report_path());
    }
    Ok(finished)
}

/// The folder of a run that begins.
pub(super) fn new_folder(options: &RunOptions, name: &str) -> Result<RunFolder> {
    Ok(match &options.out {
        Some(path) => RunFolder::create(path)?,
        None => RunFolder::create_next(&PathBuf::from("runs"), name)?,
    })
}

fn open_folder(session: &Session, options: &RunOptions) -> Result<RunFolder> {
    let name = &session.experiment.run.name;
    if options.resume {
        let Some(path) = &options.out else {
            return Err(Error::new("run/resume", "--resume needs the run's folder").with_help("add `--out DIR`"));
        };
        return Ok(RunFolder::resume(path)?);
    }
    let folder = new_folder(options, name)?;
    folder.write_provenance(&Provenance {
        started: utc_text(SystemTime::now()),
        command: options.command.clone(),
        host: session.host_facts()?,
        plugins: session.plugin_facts(),
        data: Vec::new(),
        facts: Map::from_iter([
            ("boundary".to_owned(), json!(lacuna_abi::BOUNDARY)),
            ("data".to_owned(), json!(session.data.fingerprint)),
            ("parameters".to_owned(), json!(session.stepper.weights.parameters())),
            ("fingerprint".to_owned(), json!(session.fingerprint)),
            ("modalities".to_owned(), crate::models::modalities(&session.data.facts)),
        ]),
        resumed: Vec::new(),
    })?;
    if let Some(text) = &session.data.text {
        text.tokenizer.save(folder.path().join("tokenizer.json"))?;
    }
    // Last: a folder without this file is no run yet.
    folder.write_experiment(&session.experiment.resolved())?;
    Ok(folder)
}

fn record_resumption(folder: &RunFolder, step: u64, options: &RunOptions) -> Result<()> {
    let mut provenance = folder.provenance()?;
    let started = utc_text(SystemTime::now());
    provenance.resumed.push(Resumption { started, step, command: options.command.clone() });
    Ok(folder.write_provenance(&provenance)?)
}

pub(super) fn log(folder: &RunFolder, text: &str) {
    use std::io::Write;
    // A log that can't be written must not end a run.
    if let Ok(mut file) = folder.open_log() {
        let _ = writeln!(file, "{} {text}", utc_text(SystemTime::now()));
    }
}

struct Loop<'a> {
    session: &'a mut Session,
    folder: &'a RunFolder,
    options: &'a RunOptions,
    checkpoints: CheckpointWriter,
    metrics: RunRows,
    timings: MetricsWriter,
    guards: Guards,
    meters: Meters,
    step: u64,
    tokens: u64,
    saved_at: Option<u64>,
    held_out: Option<HeldOut>,
    held_out_at: u64,
}

impl<'a> Loop<'a> {
    fn open(session: &'a mut Session, folder: &'a RunFolder, options: &'a RunOptions) -> Result<Self> {
        let settings = &session.experiment.checkpoint;
        let keep_every_steps = Some(settings.keep_every_steps).filter(|steps| *steps > 0);
        let checkpoints = CheckpointWriter::open(
            &folder.checkpoints_path(),
            Retention { keep_last: settings.keep_last, keep_every_steps },
        )?;
        let run = &session.experiment.run;
        let guards = Guards::new(session.stepper.objective.name(), run.seed, run.allow_missing_gradient_steps);
        let (metrics, timings) = if options.resume {
            (None, None)
        } else {
            (Some(RunRows::create(folder)?), Some(MetricsWriter::create(&folder.timings_path())?))
        };
        let (mut step, mut tokens, mut guards, mut meters) = (0, 0, guards, Meters::default());
        let (metrics, timings) = match (metrics, timings) {
            (Some(metrics), Some(timings)) => (metrics, timings),
            _ => {
                if let Some(found) = newest(folder)? {
                    let mut state = State {
                        step,
                        tokens,
                        ema: session.ema,
                        stepper: &mut session.stepper,
                        guards: &mut guards,
                        meters: &mut meters,
                        fingerprint: &session.fingerprint,
                    };
                    state.restore(&found)?;
                    (step, tokens) = (state.step, state.tokens);
                }
                (RunRows::resume(folder, step)?, MetricsWriter::resume(&folder.timings_path(), step)?.0)
            }
        };
        if options.resume {
            record_resumption(folder, step, options)?;
        }
        let saved_at = Some(step).filter(|step| *step > 0);
        Ok(Self {
            session,
            folder,
            options,
            checkpoints,
            metrics,
            timings,
            guards,
            meters,
            step,
            tokens,
            saved_at,
            held_out: None,
            held_out_at: 0,
        })
    }

    fn run(mut self) -> Result<Finished> {
        let run = self.session.experiment.run.clone();
        let steps = self.session.steps;
        let token_limit = run.tokens.unwrap_or(u64::MAX);
        let mut progress = Progress::steps(steps, self.step);
        let mut batches = self.session.training_batches(self.step, steps);
        let begun = Instant::now();
        let was_done = self.step >= steps || self.tokens >= token_limit;
        let (mut to_first_step, mut last_log, mut tokens_logged) = (Duration::ZERO, Instant::now(), self.tokens);
        let (mut step_times, mut in_plugins, mut in_steps) = (Vec::new(), Duration::ZERO, Duration::ZERO);
        let until = self.options.until.unwrap_or(u64::MAX);
        while self.step < steps.min(until) && self.tokens < token_limit && !self.options.stop.raised() {
            let batch = match batches.next() {
                Some(batch) => batch?,
                None => break,
            };
            let tokens = batch.tokens() as u64;
            let learning_rate = self.session.schedule.learning_rate(self.step, steps);
            // The first steps fill caches.
            compute::profile::measure(self.options.profile && step_times.len() >= UNMEASURED);
            let report = self.session.stepper.step(batch, learning_rate, &mut self.guards, &mut self.meters)?;
            compute::profile::measure(false);
            if let Some(ema) = self.session.ema.filter(|_| report.stepped) {
                ema.update(&self.session.stepper.weights)?;
            }
            if to_first_step.is_zero() {
                to_first_step = self.options.started.elapsed();
            }
            step_times.push(report.total);
            if let Some(inside) = report.in_plugins {
                in_plugins += inside;
                in_steps += report.total;
            }
            self.step += 1;
            self.tokens += tokens;
            if self.step.is_multiple_of(run.log_every_steps.max(1)) || self.step == steps {
                let message = self.log_line(learning_rate)?;
                let seconds = last_log.elapsed().as_secs_f64();
                let speed = (self.tokens - tokens_logged) as f64 / seconds.max(1e-9);
                self.timings.append(
                    &Row::new(self.step, "train")
                        .with("seconds", begun.elapsed().as_secs_f64())
                        .with("tokens_per_second", speed),
                )?;
                progress.at(self.step, steps, &format!("{message}  {speed:.0} tokens/s"));
                (last_log, tokens_logged) = (Instant::now(), self.tokens);
            }
            if self.evaluate_if_due(&progress)? {
                // Measuring is no training: it must not show as a dip of the speed.
                (last_log, tokens_logged) = (Instant::now(), self.tokens);
            }
            let every = self.session.experiment.checkpoint.every_steps;
            // The last checkpoint is written after the last measurement, below.
            if every > 0 && self.step.is_multiple_of(every) && self.step < steps {
                self.save()?;
            }
        }
        progress.finish();
        let ended = if self.step >= steps || self.tokens >= token_limit { Ended::Done } else { Ended::Stopped };
        if ended == Ended::Done && !was_done {
            self.guards.at_the_end(&self.session.stepper.weights)?;
            self.evaluate_at_the_end(&progress)?;
        }
        self.save()?;
        self.metrics.sync()?;
        let profile = self.options.profile.then(|| {
            let measured = step_times.get(UNMEASURED..).unwrap_or_default();
            Profile { steps: measured.len(), total: measured.iter().sum(), entries: compute::profile::take() }
        });
        step_times.sort_unstable();
        let median = step_times.get(step_times.len() / 2).copied().unwrap_or_default();
        let finished = Finished {
            ended,
            folder: self.folder.path().to_path_buf(),
            step: self.step,
            steps,
            held_out: self.held_out,
            measured: None,
            parameters: self.session.stepper.weights.parameters(),
            tokens: self.tokens,
            to_first_step,
            seconds: begun.elapsed().as_secs_f64(),
            plugin_share: in_plugins.as_secs_f64() / in_steps.as_secs_f64().max(1e-9),
            step_milliseconds: median.as_secs_f64() * 1e3,
            profile,
            report: None,
        };
        log(
            self.folder,
            &format!(
                "{:?} at step {} of {steps}; {} steps without labels were skipped",
                finished.ended, finished.step, self.guards.skipped
            ),
        );
        Ok(finished)
    }

    fn log_line(&mut self, learning_rate: f64) -> Result<String> {
        let mut row = Row::new(self.step, "train");
        let mut message = String::new();
        for (name, value) in self.meters.take() {
            if name == "loss" {
                message = format!("loss {value:.3}");
            }
            row = row.with(&name, value);
        }
        self.metrics.append(&row.with("learning_rate", learning_rate).with("tokens", self.tokens as f64))?;
        Ok(message)
    }

    /// Whether it measured.
    fn evaluate_if_due(&mut self, progress: &Progress) -> Result<bool> {
        let due = self
            .session
            .experiment
            .evaluate
            .iter()
            .find(|evaluate| evaluate.every_steps > 0 && self.step.is_multiple_of(evaluate.every_steps));
        match due.map(|evaluate| evaluate.batches) {
            Some(limit) if self.step < self.session.steps => self.evaluate(limit, progress).map(|()| true),
            _ => Ok(false),
        }
    }

    fn evaluate_at_the_end(&mut self, progress: &Progress) -> Result<()> {
        let limit = self.session.experiment.evaluate.iter().find_map(|evaluate| evaluate.batches);
        self.evaluate(limit, progress)?;
        let Some(tested) = self.session.tested()? else { return Ok(()) };
        self.record("test", "test", &tested, progress)
    }

    fn evaluate(&mut self, limit: Option<u64>, progress: &Progress) -> Result<()> {
        let Some(measured) = self.session.held_out(limit)? else { return Ok(()) };
        self.record("valid", "held-out", &measured, progress)?;
        (self.held_out, self.held_out_at) = (Some(measured), self.step);
        Ok(())
    }

    /// Keeps and shows a measurement.
    fn record(&mut self, split: &str, what: &str, measured: &HeldOut, progress: &Progress) -> Result<()> {
        let mut row = Row::new(self.step, split).with("loss", measured.loss);
        let mut message = format!("step {}  {what} loss {:.3}", self.step, measured.loss);
        if let Some(unigram) = measured.unigram {
            row = row.with("unigram_loss", unigram);
            message += &format!(" (unigram {unigram:.3})");
        }
        for (name, value) in &measured.metrics {
            row = row.with(name, *value);
            message += &format!("  {name} {value:.3}");
        }
        self.metrics.append(&row)?;
        if let Some(items) = &measured.items {
            write_items(self.folder, split, items)?;
        }
        write_sheets(self.folder, split, &measured.sheets)?;
        progress.line(&message);
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        // Before the first step nothing is worth keeping, unless the untrained model is what was asked for.
        if self.saved_at == Some(self.step) || self.step == 0 && self.session.steps > 0 {
            return Ok(());
        }
        // What the checkpoint's step wrote must be on the disk before it.
        self.metrics.sync()?;
        let best = self.session.experiment.checkpoint.best;
        let loss =
            self.held_out.as_ref().filter(|_| best && self.held_out_at == self.step).map(|measured| measured.loss);
        let state = State {
            step: self.step,
            tokens: self.tokens,
            ema: self.session.ema,
            stepper: &mut self.session.stepper,
            guards: &mut self.guards,
            meters: &mut self.meters,
            fingerprint: &self.session.fingerprint,
        };
        let Written { path, .. } = state.save(&self.checkpoints, loss)?;
        log(self.folder, &format!("checkpoint {}", path.display()));
        self.saved_at = Some(self.step);
        Ok(())
    }
}

/// The newest good checkpoint; `None` where the run was stopped before its first.
fn newest(folder: &RunFolder) -> Result<Option<records::Checkpoint>> {
    if !folder.checkpoints_path().join("last").exists() && records::newest_good(&folder.checkpoints_path()).is_err() {
        return Ok(None);
    }
    let found = folder.newest_good()?;
    for skipped in &found.skipped {
        log(folder, &format!("passed over damaged checkpoint {}: {}", skipped.path.display(), skipped.reason));
        eprintln!("passed over damaged checkpoint {}: {}", skipped.path.display(), skipped.reason);
    }
    Ok(Some(found.checkpoint))
}
