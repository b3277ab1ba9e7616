//! Models in their roles, as objectives and other models use them.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::raw::models::{self, PassRequest};
use crate::raw::{HostObject, Object};
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// What a head predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadKind {
    /// Logits over the vocabulary.
    Tokens,
    /// Logits over so many classes.
    Classes(usize),
    /// One number.
    Scalar,
    /// So many numbers.
    Values(usize),
}

impl HeadKind {
    pub(crate) fn parts(self) -> (&'static str, u64) {
        match self {
            Self::Tokens => ("tokens", 0),
            Self::Classes(classes) => ("classes", classes as u64),
            Self::Scalar => ("scalar", 1),
            Self::Values(values) => ("values", values as u64),
        }
    }

    pub(crate) fn from_parts(kind: &str, size: u64) -> Result<Self> {
        let size = usize::try_from(size).map_err(|_| Error::data(format!("a head of size {size} is too large")))?;
        Ok(match kind {
            "tokens" => Self::Tokens,
            "classes" => Self::Classes(size),
            "scalar" => Self::Scalar,
            "values" => Self::Values(size),
            other => {
                return Err(Error::unsupported(format!("this plugin does not know heads of the kind `{other}`"))
                    .help("it knows tokens, classes, scalar and values; build it against a newer `plugin_api`"));
            }
        })
    }
}

/// A model in a role. Cloning copies the handle.
#[derive(Clone)]
pub struct Model(Object);

impl HostObject for Model {
    fn object(&self) -> &Object {
        &self.0
    }
}

impl Model {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// Hidden rows `[n, d]` of tokens `[n]`.
    ///
    /// # Errors
    /// When the family fails.
    pub fn encode(&self, tokens_n: &Tensor, layout: &Layout) -> Result<Tensor> {
        Ok(self.pass(layout).tokens(tokens_n).run()?.hidden)
    }

    /// A forward pass in all its freedom.
    pub fn pass<'a>(&'a self, layout: &'a Layout) -> Pass<'a> {
        Pass {
            model: self,
            layout,
            inputs: Vec::new(),
            masks: Vec::new(),
            layers: None,
            wanted: Vec::new(),
            workflow: "encode",
        }
    }

    /// A head of this model, with its weights under `scope`; only while an instance is made.
    ///
    /// # Errors
    /// When the family has no such head.
    pub fn head(&self, scope: &Scope, kind: HeadKind) -> Result<Head> {
        let (name, size) = kind.parts();
        Ok(Head(models::head(scope.object()?, &self.0, name, size)?))
    }

    /// A head for tokens of another vocabulary than the text's, such as the codes of a tokenizer of pictures: logits over so many;
    /// only while an instance is made.
    ///
    /// # Errors
    /// When the family has no such head.
    pub fn code_head(&self, scope: &Scope, codes: usize) -> Result<Head> {
        Ok(Head(models::head(scope.object()?, &self.0, HeadKind::Tokens.parts().0, codes as u64)?))
    }

    /// One of its weights, by the name below the model (`embeddings.word_embeddings.weight`); only while an instance is
    /// made. What is done to it (ties, views) holds wherever the model uses it.
    ///
    /// # Errors
    /// When the model has no weight of that name.
    pub fn weight(&self, name: &str) -> Result<Weight> {
        Ok(Weight::from_object(models::weight(&self.0, name)?))
    }

    /// The table `[v, e]` of its token embeddings; only while an instance is made.
    ///
    /// # Errors
    /// When the family does not name one in its description, under `word_embeddings`.
    pub fn word_embeddings(&self) -> Result<Weight> {
        match self.describe()?.get("word_embeddings").and_then(Value::as_str) {
            Some(name) => self.weight(name),
            None => Err(Error::unsupported("the model does not say where its token embeddings are")
                .help("choose a family whose description has `word_embeddings`, such as `transformer`")),
        }
    }

    /// What the model says of itself.
    ///
    /// # Errors
    /// When the family fails.
    pub fn describe(&self) -> Result<Description> {
        Description::from_json(&models::describe(&self.0)?)
    }
}

/// A head of a model.
#[derive(Clone)]
pub struct Head(Object);

impl HostObject for Head {
    fn object(&self) -> &Object {
        &self.0
    }
}

impl Head {
    /// Of hidden rows `[c, d]`: `[c, outputs]`.
    ///
    /// # Errors
    /// When the family fails.
    pub fn apply(&self, hidden_cd: &Tensor) -> Result<Tensor> {
        Ok(Tensor::from_object(models::apply(&self.0, hidden_cd.object())?))
    }
}

/// A forward pass being put together.
///
/// ```no_run
/// # use plugin_api::prelude::*;
/// # fn show(encoder: &Model, tokens_n: &Tensor, layout: &Layout) -> Result<()> {
/// let output = encoder.pass(layout).tokens(tokens_n).mask(&Mask::causal()).want("layers.2.output").run()?;
/// let middle_nd = output.get("layers.2.output")?;
/// # Ok(()) }
/// ```
#[must_use]
pub struct Pass<'a> {
    model: &'a Model,
    layout: &'a Layout,
    inputs: Vec<(&'a str, &'a dyn HostObject)>,
    masks: Vec<&'a Mask>,
    layers: Option<Range<usize>>,
    wanted: Vec<&'a str>,
    workflow: &'a str,
}

impl<'a> Pass<'a> {
    /// Token ids `[n]`.
    pub fn tokens(self, tokens_n: &'a Tensor) -> Self {
        self.input("tokens", tokens_n)
    }

    /// In place of tokens: what the embedding would give, `[n, d]`.
    pub fn embeddings(self, embeddings_nd: &'a Tensor) -> Self {
        self.input("embeddings", embeddings_nd)
    }

    /// In place of tokens: the hidden rows `[n, d]` that enter layer `first` of [`Pass::layers`].
    pub fn hidden(self, hidden_nd: &'a Tensor) -> Self {
        self.input("hidden", hidden_nd)
    }

    /// A further input by name: `memory` and `memory.layout` for cross-attention, what a family documents.
    pub fn input(mut self, name: &'a str, value: &'a dyn HostObject) -> Self {
        self.inputs.push((name, value));
        self
    }

    /// One mask for all layers, in place of the family's own.
    pub fn mask(mut self, mask: &'a Mask) -> Self {
        self.masks = vec![mask];
        self
    }

    /// A mask for each layer.
    pub fn masks(mut self, masks: &'a [Mask]) -> Self {
        self.masks = masks.iter().collect();
        self
    }

    /// Only these layers.
    pub fn layers(mut self, layers: Range<usize>) -> Self {
        self.layers = Some(layers);
        self
    }

    /// A further output by name: `embeddings`, `layers.3.output`.
    pub fn want(mut self, name: &'a str) -> Self {
        self.wanted.push(name);
        self
    }

    /// The workflow; `encode` unless told.
    pub fn workflow(mut self, name: &'a str) -> Self {
        self.workflow = name;
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// When the family fails or leaves out what was wanted.
    pub fn run(self) -> Result<Output> {
        let inputs = Batch::new();
        for (name, value) in &self.inputs {
            inputs.put(name, *value)?;
        }
        let outputs = Batch::new();
        let masks: Vec<&Object> = self.masks.iter().map(|mask| mask.object()).collect();
        models::forward(
            &self.model.0,
            &PassRequest {
                workflow: self.workflow,
                inputs: inputs.object(),
                layout: self.layout.object(),
                masks: &masks,
                layers: self.layers,
                wanted: &self.wanted,
                outputs: outputs.object(),
            },
        )?;
        let mut output = Output::new(outputs.tensor("hidden")?);
        for name in &self.wanted {
            output = output.with(*name, outputs.tensor(name)?);
        }
        Ok(output)
    }
}

/// What a forward pass gives: hidden rows `[n, d]`, and more by name.
#[derive(Debug, Clone)]
#[must_use]
pub struct Output {
    pub(crate) hidden: Tensor,
    pub(crate) further: Vec<(String, Tensor)>,
}

impl Output {
    /// Hidden rows `[n, d]`.
    pub fn new(hidden_nd: Tensor) -> Self {
        Self { hidden: hidden_nd, further: Vec::new() }
    }

    /// A further output.
    pub fn with(mut self, name: impl Into<String>, tensor: Tensor) -> Self {
        self.further.push((name.into(), tensor));
        self
    }

    /// Hidden rows `[n, d]`.
    #[must_use]
    pub fn hidden(&self) -> &Tensor {
        &self.hidden
    }

    /// A further output by name.
    ///
    /// # Errors
    /// When it was not asked for.
    #[track_caller]
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        match self.further.iter().find(|(known, _)| known == name) {
            Some((_, tensor)) => Ok(tensor),
            None => Err(Error::new("plugin/output", format!("the pass has no output `{name}`"))
                .help(format!("ask for it with `.want(\"{name}\")`"))),
        }
    }
}

/// What a model says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The number of features of hidden rows.
    pub width: usize,
    /// The number of layers.
    pub num_layers: usize,
    /// Whether a position sees only what came before, unless told otherwise.
    pub causal: bool,
    further: Map<String, Value>,
}

impl Description {
    /// Of a model that sees in both directions.
    #[must_use]
    pub fn new(width: usize, num_layers: usize) -> Self {
        Self { width, num_layers, causal: false, further: Map::new() }
    }

    /// Whether a position sees only what came before, unless told otherwise.
    #[must_use]
    pub fn causal(mut self, causal: bool) -> Self {
        self.causal = causal;
        self
    }

    /// Something more to say.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.further.insert(name.to_owned(), value.into());
        self
    }

    /// What else it says.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.further.get(name)
    }

    pub(crate) fn to_json(&self) -> String {
        let mut object = self.further.clone();
        object.insert("width".into(), self.width.into());
        object.insert("num_layers".into(), self.num_layers.into());
        object.insert("causal".into(), self.causal.into());
        Value::Object(object).to_string()
    }

    pub(crate) fn from_json(json: &str) -> Result<Self> {
        let odd = || Error::new("plugin/describe", "a model's description needs `width` and `num_layers`");
        let Ok(Value::Object(mut object)) = serde_json::from_str(json) else { return Err(odd()) };
        let mut number = |name: &str| {
            let value = object.remove(name).as_ref().and_then(Value::as_u64);
            value.and_then(|value| usize::try_from(value).ok()).ok_or_else(odd)
        };
        let (width, num_layers) = (number("width")?, number("num_layers")?);
        let causal = object.remove("causal").and_then(|value| value.as_bool()).unwrap_or(false);
        Ok(Self { width, num_layers, causal, further: object })
    }
}

/// Whether this call trains (dropout is on) or evaluates.
#[must_use]
pub fn training() -> bool {
    models::training()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_description_survives_the_boundary() {
        let description = Description::new(128, 4).causal(true).with("num_heads", 8);
        assert_eq!(Description::from_json(&description.to_json()).unwrap(), description);
        assert!(Description::from_json("{\"width\":3}").is_err());
    }

    #[test]
    fn a_head_kind_survives_the_boundary() {
        for kind in [HeadKind::Classes(3), HeadKind::Scalar, HeadKind::Values(7), HeadKind::Tokens] {
            let (name, size) = kind.parts();
            assert_eq!(HeadKind::from_parts(name, size).unwrap(), kind);
        }
        assert_eq!(HeadKind::from_parts("boxes", 4).unwrap_err().code(), "plugin/unsupported");
    }
}
