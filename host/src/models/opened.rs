//! A model opened without any corpus: built by its family, its weights loaded strictly, its heads with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use compute::Device;
use compute::layout::Layout;
use compute::weights::{Saved, Weights};
use experiment::Table;
use lacuna_abi::name;
use modality_text::Tokenizer;

use super::facts::Vocabulary;
use super::stored::{Pick, Stored};
use super::tensors::{HEAD_KINDS, ModelTensors, misfit};
use crate::boundary::{
    Call, CallOptions, Content, Context, ForwardRequest, HeadInstance, ModelInstance, Object, RoleEntry, RoleTable,
    Roles, Scope, TensorState, batch_object,
};
use crate::error::{Error, Result};
use crate::loader::{Catalogue, Plugin};

/// Who asks for the model, in errors.
const ASKER: &str = "the program";

/// A head of an opened model.
pub struct OpenedHead {
    /// Its size, 0 for the vocabulary's.
    pub size: u64,
    /// The head.
    pub instance: Arc<HeadInstance>,
    /// Where its weights lie among the names.
    prefix: String,
}

/// A model with its heads, ready to run.
pub struct Opened {
    /// Where it comes from; its tensors are those that were loaded.
    pub stored: Stored,
    /// The plugin of its family.
    pub plugin: &'static Plugin,
    /// The model.
    pub model: Arc<ModelInstance>,
    /// Its heads by kind.
    pub heads: BTreeMap<String, OpenedHead>,
    /// Kinds of heads of which only a part is there (a pooler without classes).
    pub parts_of_heads: Vec<String>,
    /// What it was made from: weights, device, facts, roles.
    pub context: Arc<Context>,
}

impl Opened {
    /// Opens the one model that `pick` means in a run or model folder.
    ///
    /// # Errors
    /// When there is none or several, its family is not installed or refuses its settings, or its weights do not fit.
    pub fn open(place: &Path, pick: &Pick, catalogue: &Catalogue) -> Result<Self> {
        Self::build(Stored::one(place, pick)?, catalogue)
    }

    /// Builds a stored model and loads its weights.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub fn build(stored: Stored, catalogue: &Catalogue) -> Result<Self> {
        let mut opened = Self::untrained(stored, catalogue)?;
        opened.open_heads()?;
        opened.load()?;
        Ok(opened)
    }

    /// Builds a stored model with initial weights and without heads.
    ///
    /// # Errors
    /// When its family is not installed or refuses its settings.
    pub fn untrained(stored: Stored, catalogue: &Catalogue) -> Result<Self> {
        let device = compute::device::device(&stored.device)?;
        let (plugin, entry) = role_entry(&stored.role, &stored.family, &stored.settings, catalogue)?;
        let mut entries = BTreeMap::from([(stored.role.clone(), entry)]);
        for (role, (family, settings)) in stored.roles.iter().filter(|(role, _)| **role != stored.role) {
            // Only a model made of models needs the others; one that cannot be had is missed where it is asked for.
            if let Ok((_, entry)) = role_entry(role, family, settings, catalogue) {
                entries.insert(role.clone(), entry);
            }
        }
        let roles = Arc::new(RoleTable::new(entries));
        let context = Arc::new(Context {
            weights: Arc::new(Weights::new(0, &device)),
            seed: 0,
            device,
            facts: stored.facts.clone(),
            roles: roles.clone(),
            log: None,
        });
        let model = roles.model(&context, &stored.role, ASKER)?;
        for (role, inner) in roles.built().into_iter().filter(|(role, _)| *role != stored.role) {
            let exact = Pick { role: Some(role.clone()), ..Pick::default() };
            load_model(&context.weights, inner.role(), &ModelTensors::read(&stored.place, &role, &exact)?)?;
        }
        Ok(Self { stored, plugin, model, heads: BTreeMap::new(), parts_of_heads: Vec::new(), context })
    }

    /// The heads whose weights are there; a token head that has no weights of its own needs none.
    fn open_heads(&mut self) -> Result<()> {
        for kind in HEAD_KINDS {
            let tensors = self.stored.tensors.head(crate::train::OBJECTIVE, kind).cloned();
            let listed = self.stored.heads.get(kind).copied();
            let in_folder = self.stored.import.is_some() || !self.stored.heads.is_empty();
            if tensors.is_none() && listed.is_none() && (kind != "tokens" || in_folder) {
                continue;
            }
            let tensors = tensors.unwrap_or_default();
            match self.fitting_head(kind, listed, &tensors) {
                Some(head) => _ = self.heads.insert(kind.to_owned(), head),
                None if listed.is_some() => {
                    let what = format!("holds no whole head for {kind}, as its `model.toml` says");
                    return Err(misfit(&self.stored.tensors.file, &what));
                }
                None if !tensors.is_empty() => self.parts_of_heads.push(kind.to_owned()),
                None => {}
            }
        }
        Ok(())
    }

    /// The head of a kind whose weights have exactly the names and shapes of `tensors`.
    pub(crate) fn fitting_head(
        &self,
        kind: &str,
        size: Option<u64>,
        tensors: &BTreeMap<String, Saved>,
    ) -> Option<OpenedHead> {
        let mut sizes: Vec<u64> = match (size, kind) {
            (Some(size), _) => vec![size],
            (None, "tokens") => vec![0],
            (None, "scalar") => vec![1],
            _ => Vec::new(),
        };
        if size.is_none() && kind != "scalar" {
            let mut firsts: Vec<u64> =
                tensors.values().filter_map(|saved| saved.shape.first()).map(|extent| *extent as u64).collect();
            firsts.sort_unstable();
            firsts.dedup();
            sizes.extend(firsts);
        }
        sizes.into_iter().enumerate().find_map(|(number, size)| {
            let path = format!("{kind}-{number}");
            let scope = Scope::new(&self.context, &path, ASKER);
            let instance = self.model.head(&scope, kind, size);
            scope.close();
            let instance = instance.ok()?;
            let prefix = format!("{path}.{}.{kind}.", self.model.role());
            let own = self.weights_below(&prefix);
            let fits = own.len() == tensors.len()
                && own.iter().all(|(name, shape)| tensors.get(name).is_some_and(|saved| saved.shape == *shape));
            fits.then_some(OpenedHead { size, instance, prefix })
        })
    }

    /// Names and shapes of the weights whose names begin with `prefix`, without it.
    pub(crate) fn weights_below(&self, prefix: &str) -> BTreeMap<String, Vec<usize>> {
        let owners = self.context.weights.owners().into_iter();
        let below = owners.filter_map(|weight| {
            weight.name().strip_prefix(prefix).map(|name| (name.to_owned(), weight.shape().to_vec()))
        });
        below.collect()
    }

    /// Names and shapes of the model's own weights.
    #[must_use]
    pub fn weights(&self) -> BTreeMap<String, Vec<usize>> {
        self.weights_below(&format!("{}.", self.model.role()))
    }

    fn load(&self) -> Result<()> {
        let weights = &self.context.weights;
        load_model(weights, self.model.role(), &self.stored.tensors)?;
        let mut state = BTreeMap::new();
        for (kind, head) in &self.heads {
            let tensors = self.stored.tensors.head(crate::train::OBJECTIVE, kind).into_iter().flatten();
            state.extend(tensors.map(|(name, saved)| (format!("{}{name}", head.prefix), saved.clone())));
        }
        weights.load_state(&state, false)?;
        Ok(())
    }

    /// Gives back the memory of the tensors that were loaded: the model holds its own.
    pub fn forget_tensors(&mut self) {
        self.stored.tensors = ModelTensors::default();
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// When it has none, or its file is damaged.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let path = self.stored.tokenizer.as_ref().ok_or_else(|| {
            Error::new("data/tokenizer", format!("`{}` has no tokenizer", self.stored.place.display()))
                .with_help("give token ids instead of text")
        })?;
        Ok(Tokenizer::from_file(path)?)
    }

    /// What it knows of text.
    ///
    /// # Errors
    /// When it is no model of text.
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        self.stored.vocabulary().ok_or_else(|| {
            let text = format!("the model in `{}` is not of text", self.stored.place.display());
            Error::new("config/modality", text).with_help("this is for models of text")
        })
    }

    /// A number that the model says of itself: `maximum_length`, `decoder_layers`.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<usize> {
        let said: serde_json::Value = serde_json::from_str(&self.model.description().json).ok()?;
        said.get(name)?.as_u64().map(|number| number as usize)
    }

    /// Options of a call that evaluates: no gradients, no dropout, the precision of the run.
    #[must_use]
    pub fn evaluation(&self) -> CallOptions {
        let mut options = CallOptions::evaluation(0, 0, self.context.device.clone());
        options.resolve.precision = self.stored.precision;
        options
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.context.device
    }

    /// The hidden rows `[n, d]` of `inputs` under a workflow.
    ///
    /// # Errors
    /// The model's error.
    pub fn hidden(
        &self,
        call: &Arc<Call>,
        workflow: &str,
        inputs: impl IntoIterator<Item = (String, Content)>,
        layout: &Layout,
    ) -> Result<compute::Tensor> {
        self.output(call, workflow, inputs, layout, "hidden")
    }

    /// One output of `inputs` under a workflow by its name; `hidden` are the hidden rows.
    ///
    /// # Errors
    /// The model's error.
    pub fn output(
        &self,
        call: &Arc<Call>,
        workflow: &str,
        inputs: impl IntoIterator<Item = (String, Content)>,
        layout: &Layout,
        name: &str,
    ) -> Result<compute::Tensor> {
        let inputs = batch_object(inputs)?;
        let wanted: &[&str] = if name == "hidden" { &[] } else { &[name] };
        let request = ForwardRequest { workflow, inputs: &inputs, layout, masks: &[], layers: 0..u32::MAX, wanted };
        let outputs = self.model.forward(call, &request)?;
        match outputs.content() {
            Content::Batch(outputs) => outputs.tensor(name),
            _ => Err(Error::new("host/output", "the outputs changed their kind")),
        }
    }

    /// What the head of a kind makes of hidden rows: `[n, v]`; `None` without such a head.
    ///
    /// # Errors
    /// The head's error.
    pub fn logits(&self, call: &Arc<Call>, kind: &str, hidden_nd: compute::Tensor) -> Result<Option<compute::Tensor>> {
        let Some(head) = self.heads.get(kind) else { return Ok(None) };
        let logits = head.instance.apply(call, &Object::new(hidden_nd))?;
        match logits.content() {
            Content::Tensor(TensorState::Ready(logits_nv)) => Ok(Some(logits_nv.clone())),
            Content::Tensor(TensorState::Poisoned(fault)) => Err(fault.error()),
            _ => Err(Error::new("plugin/kind", "the logits are no tensor")),
        }
    }
}

/// The plugin of a family, and how it fills a role.
fn role_entry(
    role: &str,
    family: &str,
    settings: &Table,
    catalogue: &Catalogue,
) -> Result<(&'static Plugin, RoleEntry)> {
    let found = catalogue.find(family)?;
    let schema = found.manifest.provided(name::MODEL, &found.path)?.settings.clone().unwrap_or_default();
    let settings = experiment::model_settings(role, family, settings, &schema)?;
    let plugin = Plugin::open(&found.path, &found.manifest)?;
    let settings = serde_json::Value::Object(settings).to_string();
    Ok((plugin, RoleEntry { family: Arc::new(plugin), settings, frozen: false }))
}

/// Loads the weights of the model in a role, all of them and no other.
fn load_model(weights: &Weights, role: &str, tensors: &ModelTensors) -> Result<()> {
    let below = format!("{role}.");
    let mut state: BTreeMap<String, Saved> =
        tensors.model.iter().map(|(name, saved)| (format!("{below}{name}"), saved.clone())).collect();
    for weight in weights.all().iter().filter(|weight| weight.is_tied()) {
        if let Some(saved) = state.remove(weight.name()) {
            state.entry(weight.owner().name().to_owned()).or_insert(saved);
        }
    }
    let report = weights.load_state(&state, false)?;
    let missing: Vec<&String> = report.missing.iter().filter(|name| name.starts_with(&below)).collect();
    let fault = |count: usize, what: &str, first: &str| {
        misfit(&tensors.file, &format!("{what} {count} weights, first {first}"))
    };
    if let Some(first) = missing.first() {
        return Err(fault(missing.len(), "lacks", &format!("`{}`", &first[below.len()..])));
    }
    if let Some(first) = report.wrong.first() {
        return Err(fault(report.wrong.len(), "does not fit", first));
    }
    if let Some(first) = report.unexpected.first() {
        return Err(fault(report.unexpected.len(), "holds unknown", &format!("`{}`", &first[below.len()..])));
    }
    Ok(())
}
