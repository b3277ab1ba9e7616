//! A run made ready: plugins loaded, settings checked, data prepared, models built.
//!
//! In that order, so that a misspelt setting is told before any text is read, and a bad file before any weight is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use batching::{BatchSettings, Batches, Prefetch};
use compute::DType;
use compute::optimizer::Ema;
use compute::schedule::{Course, Schedule};
use compute::weights::{Resolve, Weights};
use experiment::{Device, Experiment, Model, Precision, ScheduleKind};
use lacuna_abi::name;
use records::{Checkpoint, FileFacts, RunFolder};
use serde_json::json;

use super::checkpoint::saved;
use super::evaluate::{Evaluator, HELD_OUT_SEED, HeldOut, Unigram};
use super::log::PluginLog;
use super::optimizers::make_optimizer;
use super::phases::phase_optimizers;
use super::step::Stepper;
use super::weights::{Heads, load_weights};
use crate::boundary::{CallOptions, Context, ModelInstance, ObjectiveInstance, RoleEntry, RoleTable};
use crate::data::{BatchMaker, Levels, RunData, SharedSource, StepBatch, TextData};
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Found, Plugin};
use crate::models::fit_vocabulary;

/// Where the objective's own weights, and those of heads, lie among the names.
pub(crate) const OBJECTIVE: &str = "objective";

/// A run made ready.
pub struct Session {
    /// Its experiment, plugin settings checked.
    pub experiment: Experiment,
    /// Its data.
    pub data: RunData,
    /// Weights, objective, optimizer.
    pub stepper: Stepper,
    /// Averaged weights.
    pub ema: Option<Ema>,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// Steps of the whole run.
    pub steps: u64,
    /// Hashes of all that changes results, by name: settings, plugins, data.
    pub fingerprint: BTreeMap<String, String>,
    /// The models by role.
    pub models: BTreeMap<String, Arc<ModelInstance>>,
    /// What plugins log.
    pub log: PluginLog,
    plugins: Vec<&'static Plugin>,
    plan: Arc<Batches>,
    evaluator: Option<Evaluator>,
    tester: Option<Evaluator>,
}

impl Session {
    /// Makes a run ready.
    ///
    /// # Errors
    /// When plugins, settings, data or models do not fit. Nothing is written but caches.
    pub fn open(
        experiment: Experiment,
        catalogue: &Catalogue,
        on_progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Self> {
        let mut plugins = Vec::new();
        let (objective_plugin, objective_settings) =
            load_provider(&experiment, name::OBJECTIVE, catalogue, &mut plugins)?;
        let roles = Arc::new(RoleTable::new(load_families(&experiment, catalogue, &mut plugins)?));
        let device = compute::device::device(&device_name(experiment.run.device))?;
        let mut data = RunData::prepare(&experiment.data, catalogue, on_progress)?;
        data.facts = fit_vocabulary(&experiment, &data)?;
        let seed = experiment.run.seed;
        let (weights, log) = (Arc::new(Weights::new(seed, &device)), PluginLog::default());
        let context = Arc::new(Context {
            weights: weights.clone(),
            seed,
            device: device.clone(),
            facts: data.facts.clone(),
            roles: roles.clone(),
            log: Some(log.sink()),
        });
        let objective = ObjectiveInstance::create(&objective_plugin, OBJECTIVE, &context, &objective_settings)?;
        let models = roles.built();
        refuse_unused_roles(&experiment, &models, &format!("objective `{}`", objective.name()))?;
        load_weights(&experiment, &weights, Heads::MayBeginAnew)?;
        let optimizer = make_optimizer(&experiment, &weights, Vec::new())?;
        let phases = phase_optimizers(&experiment, &weights, &objective)?;
        let mut options = CallOptions::training(seed, 0, device.clone());
        options.resolve = Resolve { precision: precision(experiment.run.precision), ..Resolve::default() };
        options.log = Some(log.sink());
        let plan = Arc::new(plan(&experiment, &data)?);
        let steps = steps(&experiment, &data, &plan)?;
        Ok(Self {
            schedule: schedule(&experiment, steps),
            evaluator: evaluator(&experiment, &data, data.valid.as_ref(), &objective, &device),
            tester: evaluator(&experiment, &data, data.test.as_ref(), &objective, &device),
            ema: experiment.optimizer.ema.map(Ema::new).transpose()?,
            fingerprint: fingerprint(&experiment, &plugins, &data),
            stepper: Stepper { weights, objective, optimizer, phases, options, device },
            experiment,
            data,
            steps,
            models,
            log,
            plugins,
            plan,
        })
    }

    /// A finished or stopped run with the weights of one of its checkpoints: `last`, `best` or a folder's name.
    ///
    /// # Errors
    /// When the folder is no run, has no such checkpoint, or its record does not fit what is installed.
    pub fn of_run(run: &Path, checkpoint: &str, overrides: &[String], catalogue: &Catalogue) -> Result<Self> {
        let folder = RunFolder::open(run)?;
        // The tokenizer the run was trained with, whatever became of the corpus it came from.
        let tokenizer = folder.path().join("tokenizer.json");
        let mut own = Vec::new();
        if tokenizer.is_file() {
            own.push(format!("data.text.tokenizer={}", json!(absolute(&tokenizer))));
        }
        own.extend(overrides.iter().cloned());
        let experiment = Experiment::load(folder.path().join("experiment.toml"), &own)?;
        let session = Self::open(experiment, catalogue, &mut |_, _, _| {})?;
        let path = folder.checkpoints_path().join(checkpoint);
        if !path.is_dir() {
            return Err(Error::new("run/checkpoint", format!("`{}` has no checkpoint `{checkpoint}`", run.display()))
                .with_help(format!("it has {}", folder_names(&folder.checkpoints_path()))));
        }
        let checkpoint = Checkpoint::open(&path)?;
        let mut state = saved(checkpoint.model()?.tensors()?)?;
        state.extend(saved(checkpoint.buffers()?)?);
        session.stepper.weights.load_state(&state, true)?;
        if let Some(ema) = &session.ema {
            let averaged = saved(checkpoint.optimizer()?.tensors()?)?;
            let averaged = averaged
                .into_iter()
                .filter_map(|(name, saved)| Some((name.strip_prefix(super::checkpoint::EMA)?.to_owned(), saved)));
            ema.load_state(&session.stepper.weights, &averaged.collect())?;
        }
        Ok(session)
    }

    /// Its text.
    ///
    /// # Errors
    /// When it learns from something else.
    pub fn text(&self) -> Result<&TextData> {
        self.data.text.as_ref().ok_or_else(|| {
            Error::new(
                "config/modality",
                format!("the run learns from `{}`, not from text", self.experiment.data.header()),
            )
            .with_help("this is for runs with `[data.text]`")
        })
    }

    /// The training batches of the steps `first..last`, made ahead on data threads.
    #[must_use]
    pub fn training_batches(&self, first: u64, last: u64) -> Prefetch<StepBatch, Error> {
        let run = &self.experiment.run;
        BatchMaker::new(self.data.train.clone(), self.stepper.objective.clone(), run.seed).over(self.steps).training(
            &self.plan,
            run.accumulation,
            first,
            last,
            run.data_threads,
        )
    }

    /// Batches in the first epoch; with packing, later ones may have a few more or less.
    ///
    /// # Errors
    /// A sample longer than a row.
    pub fn batches_per_epoch(&self) -> Result<u64> {
        Ok(self.plan.plan_of_epoch(0)?.len() as u64)
    }

    /// The held-out loss on at most `limit` batches; `None` without held-out data.
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn held_out(&self, limit: Option<u64>) -> Result<Option<HeldOut>> {
        self.evaluator
            .as_ref()
            .map(|evaluator| evaluator.measure(&self.stepper.objective, &self.evaluation(), limit))
            .transpose()
    }

    /// The loss on all of the test data; `None` where the experiment names none.
    ///
    /// # Errors
    /// As [`Evaluator::measure`].
    pub fn tested(&self) -> Result<Option<HeldOut>> {
        let measure = |tester: &Evaluator| tester.measure(&self.stepper.objective, &self.evaluation(), None);
        self.tester.as_ref().map(measure).transpose()
    }

    /// Options of a call that evaluates: no gradients, no dropout, averaged weights where there are any.
    #[must_use]
    pub fn evaluation(&self) -> CallOptions {
        let mut options = CallOptions::evaluation(HELD_OUT_SEED, 0, self.stepper.device.clone());
        options.resolve = Resolve { ema: self.ema.is_some(), gradients: false, ..self.stepper.options.resolve };
        options.log = self.stepper.options.log.clone();
        options
    }

    /// Version and hash of this program.
    ///
    /// # Errors
    /// When its file can't be read.
    pub fn host_facts(&self) -> Result<FileFacts> {
        host_facts()
    }

    /// Version and hash of the plugins.
    #[must_use]
    pub fn plugin_facts(&self) -> Vec<FileFacts> {
        plugin_facts(&self.plugins)
    }
}

pub(super) fn host_facts() -> Result<FileFacts> {
    let program = std::env::current_exe().map_err(|error| Error::file(Path::new("lacuna"), &error))?;
    Ok(FileFacts::of("lacuna", env!("CARGO_PKG_VERSION"), &program)?)
}

pub(super) fn plugin_facts(plugins: &[&'static Plugin]) -> Vec<FileFacts> {
    let facts = |plugin: &&Plugin| FileFacts {
        name: plugin.manifest.name.clone(),
        version: plugin.manifest.version.clone(),
        path: plugin.path.display().to_string(),
        blake3: plugin.hash.clone(),
    };
    plugins.iter().map(facts).collect()
}

/// The plugin of `[objective]` or `[evaluator]`, and its settings, checked, as a JSON object.
pub(super) fn load_provider(
    experiment: &Experiment,
    interface: &str,
    catalogue: &Catalogue,
    plugins: &mut Vec<&'static Plugin>,
) -> Result<(&'static Plugin, String)> {
    if experiment.objective.evaluator != (interface == name::EVALUATOR) {
        let text = format!("`{}` has an [evaluator]: it measures and trains nothing", experiment.path.display());
        return Err(Error::new("config/evaluator", text).with_help("measure with `lacuna run FILE`"));
    }
    let found = catalogue.find(&experiment.objective.name)?;
    let schema = found.manifest.provided(interface, &found.path)?.settings.clone().unwrap_or_default();
    let settings = experiment.objective.settings(&schema)?;
    Ok((opened(&found, plugins)?, serde_json::Value::Object(settings).to_string()))
}

pub(super) fn load_families(
    experiment: &Experiment,
    catalogue: &Catalogue,
    plugins: &mut Vec<&'static Plugin>,
) -> Result<BTreeMap<String, RoleEntry>> {
    let load = |model: &Model| -> Result<(String, RoleEntry)> {
        let found = catalogue.find(&model.family)?;
        let schema = found.manifest.provided(name::MODEL, &found.path)?.settings.clone().unwrap_or_default();
        let settings = serde_json::Value::Object(model.settings(&schema)?).to_string();
        let family = Arc::new(opened(&found, plugins)?);
        Ok((model.role.clone(), RoleEntry { family, settings, frozen: model.frozen }))
    };
    experiment.models.iter().map(load).collect()
}

fn opened(found: &Found, plugins: &mut Vec<&'static Plugin>) -> Result<&'static Plugin> {
    let plugin = Plugin::open(&found.path, &found.manifest)?;
    if !plugins.iter().any(|other| std::ptr::eq(*other, plugin)) {
        plugins.push(plugin);
    }
    Ok(plugin)
}

pub(super) fn batch_settings(experiment: &Experiment, data: &RunData) -> BatchSettings {
    let RunData { length, packing, by_length, .. } = *data;
    BatchSettings { rows: experiment.run.batch_rows, length, packing, by_length }
}

fn plan(experiment: &Experiment, data: &RunData) -> Result<Batches> {
    let train = data.train.clone();
    let length_of = move |sample| train.length(sample);
    let settings = batch_settings(experiment, data);
    Ok(Batches::new(experiment.run.seed, data.train.len(), length_of, settings, data.shuffle)?)
}

fn evaluator(
    experiment: &Experiment,
    data: &RunData,
    samples: Option<&SharedSource>,
    objective: &Arc<ObjectiveInstance>,
    device: &compute::Device,
) -> Option<Evaluator> {
    samples.map(|samples| Evaluator {
        batches: BatchMaker::new(samples.clone(), objective.clone(), HELD_OUT_SEED),
        unigram: data.text.as_ref().map(|text| Unigram::of(&text.train, &text.vocabulary().special)),
        settings: batch_settings(experiment, data),
        threads: experiment.run.data_threads,
        device: device.clone(),
        levels: data.facts.get("image").and_then(|facts| Levels::from_json(facts)),
    })
}

pub(super) fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".into(),
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Metal => "metal".into(),
    }
}

pub(super) fn precision(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    }
}

/// A model that nobody asked for would be trained by nobody, without a word.
pub(super) fn refuse_unused_roles(
    experiment: &Experiment,
    models: &BTreeMap<String, Arc<ModelInstance>>,
    asker: &str,
) -> Result<()> {
    let Some(unused) = experiment.models.iter().find(|model| !models.contains_key(&model.role)) else { return Ok(()) };
    let asked: Vec<String> = models.keys().map(|role| format!("`{role}`")).collect();
    let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
    Err(Error::new("config/role", format!("{asker} asks for no model in the role `{}`", unused.role))
        .at(experiment.path.display().to_string(), 0)
        .with_help(format!("it asks for {asked}; rename or remove [model.{}]", unused.role)))
}

fn schedule(experiment: &Experiment, steps: u64) -> Schedule {
    let settings = &experiment.schedule;
    let course = match settings.kind {
        ScheduleKind::Constant => Course::Constant,
        ScheduleKind::Linear => Course::Linear,
        ScheduleKind::Cosine => Course::Cosine,
        ScheduleKind::Wsd => {
            Course::Wsd { decay_share: settings.decay_steps.map_or(0.2, |decay| decay as f64 / steps.max(1) as f64) }
        }
        ScheduleKind::InverseSqrt => Course::InverseSqrt,
    };
    Schedule {
        peak: experiment.optimizer.learning_rate,
        warmup_steps: settings.warmup_steps,
        final_share: settings.final_share,
        course,
    }
}

/// Steps of the run: as told, or as many as it takes to see so many tokens, whichever is less.
fn steps(experiment: &Experiment, data: &RunData, plan: &Batches) -> Result<u64> {
    let run = &experiment.run;
    let Some(tokens) = run.tokens else { return Ok(run.steps.unwrap_or(0)) };
    let (mut steps, mut seen) = (0, 0);
    // Counted, not estimated: a schedule that ends before the tokens do would end the run with too few.
    while seen < tokens && run.steps.is_none_or(|most| steps < most) {
        let (_, rows) = plan.batch_of_step(steps)?;
        seen += rows.iter().flatten().map(|sample| data.train.length(*sample) as u64).sum::<u64>();
        steps += 1;
    }
    Ok(steps)
}

/// Hashes of what changes results: the settings, each plugin, the data.
pub(super) fn fingerprint(
    experiment: &Experiment,
    plugins: &[&'static Plugin],
    data: &RunData,
) -> BTreeMap<String, String> {
    let settings = blake3::hash(experiment.fingerprint().to_string().as_bytes()).to_hex().to_string();
    let mut fingerprint =
        BTreeMap::from([("settings".to_owned(), settings), ("data".to_owned(), data.fingerprint.clone())]);
    fingerprint.extend(plugins.iter().map(|plugin| (format!("plugin {}", plugin.manifest.name), plugin.hash.clone())));
    fingerprint
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What a folder holds, in words.
pub(crate) fn folder_names(folder: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    if names.is_empty() { "none yet".into() } else { names.join(", ") }
}
