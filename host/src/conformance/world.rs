//! An objective with its models in f64, and the loss of chosen samples.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use compute::weights::{Resolve, Saved, Weight, Weights};
use compute::{DType, Device, Gradients, Tensor, Value, ops};
use experiment::{Experiment, Kind};
use lacuna_abi::name;
use serde_json::Value as Json;

use super::samples::Text;
use super::{Options, samples, schema};
use crate::boundary::{
    Call, CallOptions, Collation, Collator, Context, LossResult, ModelInstance, Object, ObjectiveInstance, Outcomes,
    Roles, batch_on_device,
};
use crate::data::BatchColumn;
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Found, Plugin};

/// The step all calls belong to.
const STEP: u64 = 1;
/// Sizes at which a family is run, where it has a setting of that name.
const TINY: [(&str, i64); 4] = [("width", 16), ("num_layers", 2), ("num_heads", 2), ("patch_size", 4)];

/// Settings of the objective and of the family, checked, as JSON objects.
pub(super) struct Settings {
    pub(super) objective: String,
    pub(super) family: String,
    /// The family of models inside models, with its settings.
    inner: Option<(&'static Plugin, String)>,
}

/// What a plugin may be checked as, by the first word of overrides that are for it.
const SUBJECTS: [(&str, &str); 3] =
    [("objective", name::OBJECTIVE), ("evaluator", name::EVALUATOR), ("decoder", name::DECODER)];

/// Reads the overrides as an experiment's would be: same types, same ranges, same suggestions. `subject` is the plugin that is
/// checked as the objective or evaluator of an interface; of one that is several things, overrides for another are passed over.
pub(super) fn settings(
    catalogue: &Catalogue,
    subject: Option<(&Found, &str)>,
    family: &Found,
    options: &Options,
) -> Result<Settings> {
    let objective = subject.map(|(found, _)| found);
    let model = schema(family, name::MODEL);
    let mut text =
        format!("[run]\nsteps = 1\n[data.text]\nfiles = [{}]\n", Json::from(family.path.display().to_string()));
    let evaluates = subject.is_some_and(|(_, interface)| interface == name::EVALUATOR);
    let section = if evaluates { "evaluator" } else { "objective" };
    text += &format!("[{section}]\nuse = {}\n", Json::from(objective.map_or("none", |found| &*found.manifest.name)));
    text += &format!("[model.encoder]\nfamily = {}\n", Json::from(&*family.manifest.name));
    for (name, value) in TINY {
        if model.field(name).is_some_and(|field| field.kind == Kind::Integer) {
            text += &format!("{name} = {value}\n");
        }
    }
    let for_another = |text: &str| {
        subject.is_some_and(|(found, interface)| {
            SUBJECTS.iter().any(|(word, other)| {
                *other != interface && text.starts_with(&format!("{word}.")) && super::provides(found, other)
            })
        })
    };
    let overrides: Vec<String> = options
        .overrides
        .iter()
        .filter(|text| !for_another(text) && !text.starts_with("inner."))
        .map(|text| text.strip_prefix("model.").map_or_else(|| text.clone(), |rest| format!("model.encoder.{rest}")))
        .collect();
    let experiment = Experiment::from_text(&text, "conformance".as_ref(), &overrides)?;
    let objective = match objective {
        Some(found) if evaluates => experiment.objective.settings(&schema(found, name::EVALUATOR))?,
        Some(found) => experiment.objective.settings(&schema(found, name::OBJECTIVE))?,
        None => serde_json::Map::new(),
    };
    let family = experiment.model("encoder")?.settings(&model)?;
    let inner = options.inner.as_deref().map(|name| inner(catalogue, name, options)).transpose()?;
    Ok(Settings { objective: Json::Object(objective).to_string(), family: Json::Object(family).to_string(), inner })
}

fn inner(catalogue: &Catalogue, name: &str, options: &Options) -> Result<(&'static Plugin, String)> {
    let found = catalogue.find(name)?;
    let own = options.overrides.iter().filter_map(|text| text.strip_prefix("inner."));
    let overrides = own.map(|rest| format!("model.{rest}")).collect();
    let own = settings(catalogue, None, &found, &Options { family: name.to_owned(), inner: None, overrides })?;
    Ok((Plugin::open(&found.path, &found.manifest)?, own.family))
}

/// The same family for every role asked for, and another for those that it asks for itself.
struct AnyRole {
    family: &'static Plugin,
    settings: String,
    inner: Option<(&'static Plugin, String)>,
    built: Mutex<BTreeMap<String, Option<Arc<ModelInstance>>>>,
}

impl Roles for AnyRole {
    fn model(&self, context: &Arc<Context>, role: &str, asker: &str) -> Result<Arc<ModelInstance>> {
        let built = || self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let asked_by_a_model = built().values().any(Option::is_none);
        // Bound first: a guard inside the `match` would be held while its arms lock again.
        let before = built().insert(role.to_owned(), None);
        match before {
            Some(Some(model)) => {
                built().insert(role.to_owned(), Some(model.clone()));
                return Ok(model);
            }
            Some(None) => {
                return Err(Error::new("config/role", format!("{asker} asks for the role `{role}` inside itself")));
            }
            None => {}
        }
        let (family, settings) = match &self.inner {
            Some((family, settings)) if asked_by_a_model => (*family, settings),
            _ => (self.family, &self.settings),
        };
        let model = ModelInstance::build(&family, role, context, settings)?;
        built().insert(role.to_owned(), Some(model.clone()));
        Ok(model)
    }
}

/// What models and objectives are made from: weights in f64, facts of the samples, one family for all roles.
pub(super) fn context(family: &'static Plugin, settings: &Settings) -> Arc<Context> {
    Arc::new(Context {
        weights: Arc::new(Weights::with_dtype(0, &Device::Cpu, DType::F64)),
        seed: 0,
        device: Device::Cpu,
        facts: samples::facts(),
        roles: Arc::new(AnyRole {
            family,
            settings: settings.family.clone(),
            inner: settings.inner.clone(),
            built: Mutex::default(),
        }),
        log: None,
    })
}

/// Options of a call in f64.
pub(super) fn options(seed: u64, training: bool, gradients: bool) -> CallOptions {
    let mut options = CallOptions::training(seed, STEP, Device::Cpu);
    (options.training, options.gradients) = (training, gradients);
    options.resolve = Resolve { precision: DType::F64, gradients, ..Resolve::default() };
    options
}

/// Options of a training call without gradients that records outcomes of constant operations, or gives them again.
pub(super) fn with_outcomes(seed: u64, outcomes: &Arc<Outcomes>) -> CallOptions {
    CallOptions { outcomes: Some(outcomes.clone()), ..options(seed, true, false) }
}

/// Sum and count of each part of a loss, with its weight.
pub(super) type Parts = BTreeMap<String, (f64, f64, f64)>;

/// Gradients by the name of their weight.
pub(super) type Slopes = BTreeMap<String, Vec<f64>>;

/// An objective made ready.
pub(super) struct World {
    pub(super) context: Arc<Context>,
    pub(super) objective: Arc<ObjectiveInstance>,
    pub(super) plugin: &'static Plugin,
    /// Whether the models are causal because the objective refused others.
    pub(super) causal: bool,
}

impl World {
    pub(super) fn new(catalogue: &Catalogue, found: &Found, chosen: &Options) -> Result<Self> {
        let family = catalogue.find(&chosen.family).map_err(|error| {
            let error = Error::from(error);
            let help = error.help.clone().unwrap_or_default();
            error.with_help(format!("{help}; an objective is checked with a family: choose one with --model"))
        })?;
        let schema = schema(&family, name::MODEL);
        let open = !chosen.overrides.iter().any(|text| text.starts_with("model.causal="));
        let has_causal = schema
            .field("causal")
            .is_some_and(|field| field.kind == Kind::Bool && field.default == Some(Json::from(false)));
        match Self::with(catalogue, found, &family, chosen) {
            // An objective that predicts what follows refuses models that see it.
            Err(error) if open && has_causal && !error.frames.is_empty() => {
                let mut causal = chosen.clone();
                causal.overrides.push("model.causal=true".into());
                Self::with(catalogue, found, &family, &causal)
                    .map(|world| Self { causal: true, ..world })
                    .map_err(|_| error)
            }
            made => made,
        }
    }

    fn with(catalogue: &Catalogue, found: &Found, family: &Found, chosen: &Options) -> Result<Self> {
        let settings = settings(catalogue, Some((found, name::OBJECTIVE)), family, chosen)?;
        let plugin = Plugin::open(&found.path, &found.manifest)?;
        let context = context(Plugin::open(&family.path, &family.manifest)?, &settings);
        let objective = ObjectiveInstance::create(&plugin, "objective", &context, &settings.objective)?;
        Ok(Self { context, objective, plugin, causal: false })
    }

    /// The samples collated, in plain memory.
    pub(super) fn collation(&self, texts: &[Text], seed: u64) -> Result<Collation> {
        collation_of(&*self.objective, texts, seed)
    }

    /// The batch of these samples; `packed` puts all of them into one sequence.
    pub(super) fn batch(&self, texts: &[Text], seed: u64, packed: bool) -> Result<Arc<Object>> {
        batch_of(&*self.objective, texts, seed, packed)
    }

    /// The loss as the plugin gives it, in training.
    pub(super) fn loss(&self, batch: &Arc<Object>, seed: u64, gradients: bool) -> Result<LossResult> {
        self.objective.loss(&Call::new(options(seed, true, gradients)), batch)
    }

    /// Sums and counts of these samples, without gradients.
    pub(super) fn parts(&self, texts: &[Text], seed: u64, packed: bool) -> Result<Parts> {
        let mut parts = Parts::new();
        add_parts(&mut parts, &self.loss(&self.batch(texts, seed, packed)?, seed, false)?)?;
        Ok(parts)
    }

    /// The total over all batches and its gradient: Σ weight · Σ sum / Σ count.
    pub(super) fn total(&self, batches: &[&[Text]], seed: u64) -> Result<(f64, Slopes)> {
        let made = batches.iter().map(|texts| self.batch(texts, seed, false)).collect::<Result<Vec<_>>>()?;
        let mut parts = Parts::new();
        for batch in &made {
            add_parts(&mut parts, &self.loss(batch, seed, false)?)?;
        }
        let mut gradients = Gradients::default();
        for batch in &made {
            if let Some(total) = weighted(self.loss(batch, seed, true)?, &parts)? {
                compute::backward(&total, None, false, &mut gradients)?;
            }
        }
        let slopes = slopes(&self.context.weights, &gradients)?;
        Ok((total_of(&parts), slopes))
    }

    /// The total of one batch as a number.
    pub(super) fn value(&self, batch: &Arc<Object>, seed: u64) -> Result<f64> {
        self.value_under(batch, options(seed, true, false))
    }

    /// The same under these options.
    pub(super) fn value_under(&self, batch: &Arc<Object>, options: CallOptions) -> Result<f64> {
        let mut parts = Parts::new();
        add_parts(&mut parts, &self.objective.loss(&Call::new(options), batch)?)?;
        Ok(total_of(&parts))
    }
}

/// The samples collated, in plain memory.
pub(super) fn collation_of(collator: &dyn Collator, texts: &[Text], seed: u64) -> Result<Collation> {
    let (mut first_row, mut first_label) = (0, 0);
    let samples = texts.iter().enumerate().map(|(index, text)| {
        let sample = text.sample(index, first_row, first_label);
        first_row += text.len();
        first_label += text.labels();
        sample
    });
    let collation = Collation::new(samples.collect(), seed, collator.name(), 0).with_progress(0.5);
    collator.collate(&Call::new(CallOptions::data(seed)), &collation)?;
    Ok(collation)
}

/// The batch of these samples; `packed` puts all of them into one sequence.
pub(super) fn batch_of(collator: &dyn Collator, texts: &[Text], seed: u64, packed: bool) -> Result<Arc<Object>> {
    let collation = collation_of(collator, texts, seed)?;
    let own = [
        BatchColumn::Rows("text.tokens"),
        BatchColumn::Rows("text.types"),
        BatchColumn::Rows("text.tags"),
        BatchColumn::Stacked("text.label", Vec::new()),
        BatchColumn::Stacked("text.score", Vec::new()),
        BatchColumn::Rows("audio.units"),
        BatchColumn::Rows("audio.row_labels"),
        BatchColumn::Rows("audio.row_places"),
        BatchColumn::Padded("audio.features", vec![samples::SOUND[1]]),
        BatchColumn::Padded("audio.changed_features", vec![samples::SOUND[1]]),
        BatchColumn::Stacked("audio.changed_rows", Vec::new()),
        BatchColumn::Listed("audio.changed_units"),
        BatchColumn::Stacked("image.pixels", samples::PICTURE.to_vec()),
        BatchColumn::Stacked("image.label", Vec::new()),
        BatchColumn::Stacked("image.classes", samples::PICTURE[1..].to_vec()),
    ];
    let gathered = own.iter().map(|column| Ok((column.name().to_owned(), column.gather(&collation)?)));
    let gathered: BTreeMap<_, _> = gathered.collect::<Result<_>>()?;
    let mut columns = collation.into_added();
    columns.extend(gathered);
    let layouts = [
        ("text.layout".to_owned(), layout(texts, packed)?),
        ("image.layout".to_owned(), layout_of(texts, |_| 1, packed)?),
        ("audio.layout".to_owned(), layout_of(texts, Text::labels, packed)?),
    ];
    batch_on_device(columns, layouts, &Device::Cpu)
}

/// The layout of samples in order; packed, they share one sequence.
pub(super) fn layout(texts: &[Text], packed: bool) -> Result<compute::layout::Layout> {
    layout_of(texts, Text::len, packed)
}

/// The same where samples have so many rows.
pub(super) fn layout_of(
    texts: &[Text],
    rows: impl Fn(&Text) -> usize,
    packed: bool,
) -> Result<compute::layout::Layout> {
    let lengths: Vec<usize> = texts.iter().map(rows).collect();
    let keys: Vec<u64> = texts.iter().map(Text::id).collect();
    let sequences = (0..texts.len()).map(|number| if packed { 0 } else { number }).collect();
    Ok(compute::layout::Layout::new(&lengths, &keys)?.with_sequences(sequences)?)
}

pub(super) fn add_parts(parts: &mut Parts, result: &LossResult) -> Result<()> {
    let own = result.parts.iter().map(|part| (part.name.clone(), part.weight, &part.sum, &part.count));
    let inner = result
        .auxiliaries
        .iter()
        .map(|part| (format!("{}/{}", part.role, part.name), part.weight, &part.sum, &part.count));
    for (name, weight, sum, count) in own.chain(inner) {
        let entry = parts.entry(name).or_default();
        *entry = (weight, entry.1 + sum.item()?, entry.2 + count.item()?);
    }
    Ok(())
}

pub(super) fn total_of(parts: &Parts) -> f64 {
    parts.values().filter(|(_, _, count)| *count != 0.0).map(|(weight, sum, count)| weight * sum / count).sum()
}

/// A batch's share of the total, where it has one that leads back to a weight.
pub(super) fn weighted(result: LossResult, parts: &Parts) -> Result<Option<Tensor>> {
    let own = result.parts.into_iter().map(|part| (part.name, part.weight, part.sum));
    let inner =
        result.auxiliaries.into_iter().map(|part| (format!("{}/{}", part.role, part.name), part.weight, part.sum));
    let mut total: Option<Tensor> = None;
    for (name, weight, sum) in own.chain(inner) {
        let count = parts.get(&name).map_or(0.0, |part| part.2);
        if count == 0.0 || !sum.needs_gradient() {
            continue;
        }
        let term = ops::mul_scalar(&ops::reshape(&sum, &[])?, weight / count)?;
        total = Some(match total {
            Some(total) => ops::add(&total, &term)?,
            None => term,
        });
    }
    Ok(total)
}

/// Gradients of all weights that got one, as numbers.
pub(super) fn slopes(weights: &Weights, gradients: &Gradients) -> Result<Slopes> {
    let mut slopes = Slopes::new();
    for weight in weights.owners() {
        if let Some(gradient) = gradients.get(&weight.leaf()) {
            slopes.insert(weight.name().to_owned(), numbers(gradient)?);
        }
    }
    Ok(slopes)
}

/// The elements of a value as f64.
pub(super) fn numbers(value: &Value) -> Result<Vec<f64>> {
    let tensor = compute::ops::cast(&Tensor::constant(value.clone()), DType::F64)?;
    let saved = Saved::of("", tensor.value(), DType::F64)?;
    Ok(saved
        .bytes
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("chunks of eight")))
        .collect())
}

/// Replaces the value of a weight.
pub(super) fn set(weight: &Weight, numbers: &[f64]) -> Result<()> {
    let tensor = Tensor::from_slice(numbers, weight.shape(), &Device::Cpu)?;
    Ok(weight.set_value(tensor.value())?)
}
