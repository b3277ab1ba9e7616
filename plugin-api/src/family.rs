//! Model families: what a plugin provides so that others may use it in a role.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::model::{Description, HeadKind, Output};
use crate::nn::LinearHead;
use crate::raw::{HostObject, models};
use crate::scope::Scope;
use crate::settings::Settings;
use crate::state::State;
use crate::tensor::Tensor;

/// A model family. One instance is built for each role that names it.
pub trait ModelFamily: Sized + Send + Sync + 'static {
    /// The `[model.role]` table of an experiment.
    type Settings: Settings;

    /// Builds an instance with its weights under `scope`.
    ///
    /// # Errors
    /// When settings do not fit together.
    fn build(settings: Self::Settings, scope: &Scope) -> Result<Self>;

    /// Runs it. The hidden rows must be `[n, width]` for the n rows of the layout.
    ///
    /// # Errors
    /// When it is asked for what it cannot do.
    fn forward(&self, call: &Forward) -> Result<Output>;

    /// Builds a head, with its weights under `scope`; a plain linear layer unless the family has its own.
    ///
    /// # Errors
    /// When it has no such head.
    fn head(&self, scope: &Scope, request: &HeadRequest) -> Result<Box<dyn HeadModule>> {
        Ok(Box::new(LinearHead::new(scope, self.describe().width, request.outputs(scope)?)?))
    }

    /// Width, number of layers, direction.
    fn describe(&self) -> Description;
}

/// A head that a family built.
pub trait HeadModule: Send + Sync {
    /// Of hidden rows `[c, d]`: `[c, outputs]`.
    ///
    /// # Errors
    /// When it fails.
    fn apply(&self, hidden_cd: &Tensor) -> Result<Tensor>;
}

/// What head is asked for.
#[derive(Debug, Clone, Copy)]
pub struct HeadRequest {
    pub(crate) kind: HeadKind,
    pub(crate) size: usize,
}

impl HeadRequest {
    /// What it predicts.
    #[must_use]
    pub fn kind(&self) -> HeadKind {
        self.kind
    }

    /// The number of its outputs: for tokens, the size of the text vocabulary unless the host named another.
    ///
    /// # Errors
    /// When there is no vocabulary.
    pub fn outputs(&self, scope: &Scope) -> Result<usize> {
        Ok(match self.kind {
            HeadKind::Tokens if self.size == 0 => scope.vocabulary("text")?.size(),
            HeadKind::Tokens => self.size,
            HeadKind::Classes(count) | HeadKind::Values(count) => count,
            HeadKind::Scalar => 1,
        })
    }
}

/// One forward pass, as the family sees it.
#[derive(Clone)]
pub struct Forward {
    pub(crate) workflow: String,
    pub(crate) inputs: Batch,
    pub(crate) layout: Layout,
    pub(crate) masks: Vec<Option<Mask>>,
    pub(crate) first_layer: u32,
    pub(crate) last_layer: u32,
    pub(crate) wanted: Vec<String>,
    pub(crate) tokens: Option<Tensor>,
    pub(crate) embeddings: Option<Tensor>,
    pub(crate) hidden: Option<Tensor>,
}

impl Forward {
    /// `encode`, `decode`, `image`, …
    #[must_use]
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// Token ids `[n]`.
    #[must_use]
    pub fn tokens(&self) -> Option<Tensor> {
        self.tokens.clone()
    }

    /// In place of tokens: embeddings `[n, d]`.
    #[must_use]
    pub fn embeddings(&self) -> Option<Tensor> {
        self.embeddings.clone()
    }

    /// In place of tokens: the hidden rows `[n, d]` that enter the first layer to run.
    #[must_use]
    pub fn hidden(&self) -> Option<Tensor> {
        self.hidden.clone()
    }

    /// A further input by name.
    ///
    /// # Errors
    /// When it is no tensor.
    pub fn input(&self, name: &str) -> Result<Option<Tensor>> {
        self.inputs.get(name)
    }

    /// All inputs.
    #[must_use]
    pub fn inputs(&self) -> &Batch {
        &self.inputs
    }

    /// The layout of the rows.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The mask the caller wants in a layer; `None`: the family's own.
    #[must_use]
    pub fn mask(&self, layer: usize) -> Option<Mask> {
        match self.masks.as_slice() {
            [] => None,
            [all] => all.clone(),
            each => each.get(layer).cloned().flatten(),
        }
    }

    /// Which of `total` layers to run.
    #[must_use]
    pub fn layers(&self, total: usize) -> Range<usize> {
        let first = usize::try_from(self.first_layer).unwrap_or(total).min(total);
        let last = if self.last_layer == models::ALL_LAYERS {
            total
        } else {
            usize::try_from(self.last_layer).unwrap_or(total).min(total)
        };
        first..last.max(first)
    }

    /// Whether a further output is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted == name)
    }

    /// Whether this call trains or evaluates.
    #[must_use]
    pub fn training(&self) -> bool {
        models::training()
    }

    /// The error of a family that got none of the inputs it can start from.
    #[track_caller]
    #[must_use]
    pub fn nothing_to_run(&self) -> Error {
        Error::new("plugin/input", format!("`{}` got neither tokens nor embeddings nor hidden rows", self.workflow))
    }
}

/// A named point that a tensor passes; whoever listens may read or replace it. Names are `layers.3.output`,
/// `layers.3.attention.heads`, `layers.3.mlp.input`.
#[must_use]
pub fn site(name: &str, tensor: &Tensor) -> Tensor {
    Tensor::from_object(models::site(name, tensor.object()))
}

/// Whether anybody listens at a site.
#[must_use]
pub fn listening(name: &str) -> bool {
    models::listening(name)
}

/// An auxiliary loss from inside a model (balance of experts, a commitment): `weight` · Σ sum / Σ count.
///
/// # Errors
/// When a tensor is poisoned.
pub fn auxiliary(name: &str, weight: f64, sum: &Tensor, count: &Tensor) -> Result<()> {
    models::auxiliary(name, weight, sum.object(), count.object())
}

/// Decoding with state: each step sees only the new tokens.
///
/// The hidden rows of a step are those of [`ModelFamily::forward`] over the whole sequences, to rounding.
pub trait Decode: ModelFamily {
    /// Puts into an empty state what decoding begins with; nothing unless the family says otherwise.
    ///
    /// # Errors
    /// When this model cannot decode: it sees what comes after.
    fn begin(&self, state: &State) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Runs new tokens against the state and grows it. The layout has one segment for each sequence of the state, none of
    /// them, one or many rows long; its positions continue those of the state.
    ///
    /// # Errors
    /// When it fails.
    fn step(&self, state: &State, call: &Forward) -> Result<Output>;
}

/// An axis that surgery may cut or widen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// What it stands for.
    pub doc: String,
    /// Its length is a multiple of this.
    pub multiple_of: usize,
}

/// Axis names for pruning and widening.
pub trait Axes: ModelFamily {
    /// By the names that weights use in [`WeightOptions::axes`](crate::WeightOptions::axes).
    fn axes(&self) -> BTreeMap<String, Axis>;
}

pub(crate) fn axes_json(axes: &BTreeMap<String, Axis>) -> String {
    let rows =
        axes.iter().map(|(name, axis)| (name.clone(), json!({ "doc": axis.doc, "multiple_of": axis.multiple_of })));
    Value::Object(rows.collect()).to_string()
}
