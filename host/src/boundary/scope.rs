//! Where an instance under construction finds what it is made of: weights, models by role, vocabularies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use compute::Device;
use compute::weights::Weights;

use super::batch::listed;
use super::call::{Call, CallOptions, LogSink};
use super::instances::ModelInstance;
use super::provider::Provider;
use crate::error::{Error, Result};

/// What all instances of a run are made from.
pub struct Context {
    /// The weights and buffers of the run.
    pub weights: Arc<Weights>,
    /// The seed of the run.
    pub seed: u64,
    /// Where it computes.
    pub device: Device,
    /// What plugins may know of each modality, as JSON text; of text: `size`, `pad`, `begin`, `end`, `mask`, `unknown`, `special`,
    /// `label_kind`, `labels`.
    pub facts: BTreeMap<String, String>,
    /// How models are built.
    pub roles: Arc<dyn Roles>,
    /// Where log lines go.
    pub log: Option<LogSink>,
}

impl Context {
    /// The call under which an instance is made: no gradients.
    pub(super) fn creation(&self) -> Arc<Call> {
        let mut options = CallOptions::training(self.seed, 0, self.device.clone());
        options.creating = true;
        options.gradients = false;
        options.resolve.gradients = false;
        options.log = self.log.clone();
        Call::new(options)
    }
}

/// How the model of a role is found; built when first asked for.
pub trait Roles: Send + Sync {
    /// The model of `role`, wanted by `asker` (``objective `mlm` ``).
    ///
    /// # Errors
    /// When the experiment has no such role, or building fails.
    fn model(&self, context: &Arc<Context>, role: &str, asker: &str) -> Result<Arc<ModelInstance>>;
}

/// How to fill a role.
#[derive(Clone)]
pub struct RoleEntry {
    /// The family's plugin.
    pub family: Arc<dyn Provider>,
    /// Its settings, checked, as a JSON object.
    pub settings: String,
    /// Whether its weights stay as they are.
    pub frozen: bool,
}

enum Built {
    /// Under construction: asked for again, it would need itself.
    Building,
    Ready(Arc<ModelInstance>),
}

/// Roles from a table, each model built once.
#[derive(Default)]
pub struct RoleTable {
    entries: BTreeMap<String, RoleEntry>,
    built: Mutex<BTreeMap<String, Built>>,
}

impl RoleTable {
    /// A table of the roles of an experiment.
    #[must_use]
    pub fn new(entries: BTreeMap<String, RoleEntry>) -> Self {
        Self { entries, built: Mutex::default() }
    }

    /// The models built so far, by role.
    #[must_use]
    pub fn built(&self) -> BTreeMap<String, Arc<ModelInstance>> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = built.iter().filter_map(|(role, built)| match built {
            Built::Ready(model) => Some((role.clone(), model.clone())),
            Built::Building => None,
        });
        ready.collect()
    }
}

impl Roles for RoleTable {
    fn model(&self, context: &Arc<Context>, role: &str, asker: &str) -> Result<Arc<ModelInstance>> {
        let Some(entry) = self.entries.get(role) else {
            let known: Vec<String> = self.entries.keys().cloned().collect();
            return Err(Error::new("config/role", format!("{asker} needs a model for the role `{role}`"))
                .with_help(format!("add a section [model.{role}]; the experiment has {}", listed(&known))));
        };
        {
            let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
            match built.get(role) {
                Some(Built::Ready(model)) => return Ok(model.clone()),
                Some(Built::Building) => {
                    return Err(Error::new("config/role", format!("the model of the role `{role}` needs itself")));
                }
                None => built.insert(role.to_owned(), Built::Building),
            };
        }
        // No lock is held while the plugin builds: it may ask for inner models.
        let model = ModelInstance::build(&*entry.family, role, context, &entry.settings);
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        match model {
            Ok(model) => {
                built.insert(role.to_owned(), Built::Ready(model.clone()));
                drop(built);
                if entry.frozen {
                    let below = format!("{role}.");
                    context
                        .weights
                        .all()
                        .iter()
                        .filter(|w| w.name().starts_with(&below))
                        .for_each(|w| w.set_trainable(false));
                }
                Ok(model)
            }
            Err(error) => {
                built.remove(role);
                Err(error)
            }
        }
    }
}

/// A place below which names of weights lie. Weights are made only while its instance is.
#[derive(Clone)]
pub struct Scope {
    context: Arc<Context>,
    path: String,
    asker: Arc<str>,
    open: Arc<AtomicBool>,
    /// Whether it lends what is there already and makes nothing.
    lends: bool,
}

impl Scope {
    /// A scope at `path` for `asker` (``objective `mlm` ``), open until [`Scope::close`].
    #[must_use]
    pub fn new(context: &Arc<Context>, path: &str, asker: &str) -> Self {
        Self {
            context: context.clone(),
            path: path.to_owned(),
            asker: asker.into(),
            open: Arc::new(AtomicBool::new(true)),
            lends: false,
        }
    }

    /// A scope for who uses trained models: it lends the heads that were made for others, and makes no weights.
    #[must_use]
    pub fn lending(context: &Arc<Context>, asker: &str) -> Self {
        Self { lends: true, ..Self::new(context, "", asker) }
    }

    /// Whether it lends what is there already and makes nothing.
    #[must_use]
    pub fn lends(&self) -> bool {
        self.lends
    }

    /// What it is made from.
    #[must_use]
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Its path; empty at the top.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Who is under construction.
    #[must_use]
    pub fn asker(&self) -> &str {
        &self.asker
    }

    /// The scope `name` below; it closes with this one.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        Self { path: self.name(name), ..self.clone() }
    }

    /// The full name of `name` below this scope.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The instance is made: no more weights from here.
    pub fn close(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// # Errors
    /// When nothing is made here.
    pub(super) fn check_makes(&self, what: &str) -> Result<()> {
        if !self.lends {
            return Ok(());
        }
        let text = format!("{} asks for {what} of its own, which nobody would train", self.asker);
        Err(Error::new("plugin/scope", text).with_help("use the models and heads of the run"))
    }

    /// # Errors
    /// When the instance is made already.
    pub(super) fn check_open(&self, what: &str) -> Result<()> {
        if self.open.load(Ordering::Acquire) {
            return Ok(());
        }
        let text = format!("{} asks for {what} after it was made", self.asker);
        Err(Error::new("plugin/scope", text)
            .with_help("ask for weights, models and heads in `new` or `build` and keep them"))
    }
}
