//! A measurement made ready, for experiments with `[evaluator]`: models with their weights, and an evaluator over data.
//!
//! Settings are checked before data is read, and data before weights are made, as for a run that trains. Nothing is left to
//! chance: a weight that no file holds is an error as soon as any weights are named, heads included.

use std::collections::BTreeMap;
use std::sync::Arc;

use batching::BatchSettings;
use compute::Device;
use compute::weights::{Resolve, Weights};
use experiment::Experiment;
use lacuna_abi::name;

use super::evaluate::HELD_OUT_SEED;
use super::log::PluginLog;
use super::meters::Meters;
use super::session::{
    OBJECTIVE, batch_settings, device_name, load_families, load_provider, precision, refuse_unused_roles,
};
use super::sheets::{Sheet, SheetsSoFar};
use super::weights::{Heads, load_weights};
use crate::boundary::{Call, CallOptions, Context, EvaluatorInstance, Items, ItemsSoFar, ModelInstance, RoleTable};
use crate::data::{BatchMaker, Levels, RunData, SharedSource};
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Plugin};

/// A measurement made ready.
pub struct Measurement {
    /// Its experiment, plugin settings checked.
    pub experiment: Experiment,
    /// Its data.
    pub data: RunData,
    /// What measures.
    pub evaluator: Arc<EvaluatorInstance>,
    /// The models by role.
    pub models: BTreeMap<String, Arc<ModelInstance>>,
    /// The weights of the models and their heads.
    pub weights: Arc<Weights>,
    /// What plugins log.
    pub log: PluginLog,
    /// The plugins it uses.
    pub plugins: Vec<&'static Plugin>,
    settings: BatchSettings,
    options: CallOptions,
    device: Device,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The evaluator's plugin.
    pub evaluator: String,
    /// The figures, in the evaluator's order.
    pub figures: Vec<(String, f64)>,
    /// The results of single samples, where the evaluator gives any.
    pub items: Items,
    /// Pictures that the evaluator shows.
    pub sheets: Vec<Sheet>,
    /// Training samples that the evaluator saw.
    pub training_samples: usize,
}

impl Measurement {
    /// Makes a measurement ready.
    ///
    /// # Errors
    /// When plugins, settings, data, models or weights do not fit.
    pub fn open(
        experiment: Experiment,
        catalogue: &Catalogue,
        on_progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Self> {
        let mut plugins = Vec::new();
        let (plugin, settings) = load_provider(&experiment, name::EVALUATOR, catalogue, &mut plugins)?;
        let roles = Arc::new(RoleTable::new(load_families(&experiment, catalogue, &mut plugins)?));
        let device = compute::device::device(&device_name(experiment.run.device))?;
        let mut data = RunData::prepare(&experiment.data, catalogue, on_progress)?;
        data.facts = crate::models::fit_vocabulary(&experiment, &data)?;
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
        // The same place among the names as that of an objective: heads are found where the run that trained them left them.
        let evaluator = EvaluatorInstance::create(&plugin, OBJECTIVE, &context, &settings)?;
        let models = roles.built();
        refuse_unused_roles(&experiment, &models, &format!("evaluator `{}`", evaluator.name()))?;
        for model in experiment.models.iter().filter(|model| model.weights.is_none()) {
            eprintln!("[model.{}] names no `weights`: measured is an untrained model", model.role);
        }
        load_weights(&experiment, &weights, Heads::AllThere)?;
        let mut options = CallOptions::evaluation(HELD_OUT_SEED, 0, device.clone());
        let precision = precision(experiment.run.precision);
        options.resolve = Resolve { precision, gradients: false, ..Resolve::default() };
        options.log = Some(log.sink());
        let settings = batch_settings(&experiment, &data);
        Ok(Self { experiment, data, evaluator, models, weights, log, plugins, settings, options, device })
    }

    /// The samples to measure on: those held out, or where there are none and none are needed to fit, all.
    ///
    /// # Errors
    /// When the evaluator needs both.
    pub fn measured_samples(&self) -> Result<SharedSource> {
        match &self.data.valid {
            Some(valid) => Ok(valid.clone()),
            None if !self.evaluator.uses_training() => Ok(self.data.train.clone()),
            None => {
                let text = format!("evaluator `{}` fits on training data and measures on other", self.evaluator.name());
                Err(Error::new("config/missing", text)
                    .with_help("give both: `files` and `valid_files` or `valid_share` in [data.text]"))
            }
        }
    }

    /// Measures; tells the number of samples so far.
    ///
    /// # Errors
    /// When a plugin fails or the data has no samples.
    pub fn measure(&self, on_progress: &mut dyn FnMut(usize)) -> Result<Measured> {
        let held_out = self.measured_samples()?;
        let mut done = 0;
        let mut progress = |samples: usize| {
            done += samples;
            on_progress(done);
        };
        let training = if self.evaluator.uses_training() {
            Some(self.pass(self.data.train.clone(), None, &mut progress)?.items)
        } else {
            None
        };
        let Pass { items, sheets, parts, mut meters } =
            self.pass(held_out, self.experiment.objective.batches, &mut progress)?;
        if items.ids.is_empty() {
            return Err(Error::new("eval/no-samples", "there is no sample to measure on"));
        }
        let mut figures = Vec::new();
        if !parts.is_empty() {
            let counted = parts.values().filter(|(_, _, count)| *count > 0.0);
            figures.push(("loss".to_owned(), counted.map(|(weight, sum, count)| weight * sum / count).sum()));
        }
        figures.extend(meters.take());
        let own = self.evaluator.figures(&Call::new(self.options.clone()), training.as_ref(), &items)?;
        figures.retain(|(name, _)| own.iter().all(|(figure, _)| figure != name));
        figures.extend(own);
        Ok(Measured {
            evaluator: self.evaluator.name().to_owned(),
            figures,
            training_samples: training.map_or(0, |training| training.ids.len()),
            items,
            sheets,
        })
    }

    /// One pass over samples in their order.
    fn pass(&self, samples: SharedSource, limit: Option<u64>, on_samples: &mut dyn FnMut(usize)) -> Result<Pass> {
        let batches = BatchMaker::new(samples, self.evaluator.clone(), HELD_OUT_SEED);
        let (mut items, mut parts, mut meters) = (ItemsSoFar::default(), Parts::new(), Meters::default());
        let mut sheets = SheetsSoFar::default();
        let levels = self.data.facts.get("image").and_then(|facts| Levels::from_json(facts));
        for batch in batches.evaluation(self.settings, limit, self.experiment.run.data_threads)? {
            let batch = batch?;
            for data in batch.micro {
                let call = Call::new(CallOptions { step: batch.step, ..self.options.clone() });
                let (numbers, ids) = (data.numbers.clone(), data.samples.clone());
                let result = self.evaluator.measure(&call, &data.on_device(&self.device)?)?;
                items.add(&numbers, &ids, &result.items)?;
                sheets.add(&numbers, &result.shown, levels.as_ref())?;
                for part in &result.parts {
                    let entry = parts.entry(part.name.clone()).or_default();
                    *entry = (part.weight, entry.1 + part.sum.item()?, entry.2 + part.count.item()?);
                }
                for metric in &result.metrics {
                    meters.add(&metric.name, metric.sum.item()?, metric.count.item()?);
                }
                on_samples(ids.len());
            }
        }
        Ok(Pass { items: items.finish()?, sheets: sheets.finish()?, parts, meters })
    }
}

/// Weight, sum and count of loss parts by name.
type Parts = BTreeMap<String, (f64, f64, f64)>;

/// What one pass over samples gives.
struct Pass {
    items: Items,
    sheets: Vec<Sheet>,
    parts: Parts,
    meters: Meters,
}
