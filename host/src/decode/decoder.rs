//! A model that writes, with its token head, stepped over sequences that it remembers: a causal one continues its prompts, an
//! encoder–decoder reads them with its encoder and answers.

use std::sync::Arc;

use compute::layout::Layout;
use compute::{DType, Tensor, ops};

use crate::boundary::{
    Call, CallOptions, Content, ForwardRequest, HeadInstance, ModelInstance, Object, State, TensorState, batch_object,
};
use crate::error::{Error, Result};
use crate::models::Opened;

/// How the numbers of linear layers are read while decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// As the run computes.
    #[default]
    AsTrained,
    /// In this type, while everything else is computed in f32.
    In(DType),
}

/// A model that continues sequences. b sequences, v tokens in the vocabulary.
pub struct Decoder {
    model: Arc<ModelInstance>,
    head: Arc<HeadInstance>,
    options: CallOptions,
    maximum_length: Option<usize>,
    /// Whether an encoder reads the prompts.
    answers: bool,
    /// The token that answers begin with, which is no part of them.
    start: Option<u32>,
}

impl Decoder {
    /// An opened model with its token head.
    ///
    /// # Errors
    /// When the model neither is causal nor has a decoder, or has no token head.
    pub fn of_opened(opened: &Opened, reading: Reading) -> Result<Self> {
        let model = &opened.model;
        if !writes(model) {
            let text = format!("the model of the role `{}` is not causal: it sees what comes after", model.role());
            return Err(Error::new("config/generate", text)
                .with_help("train one with `causal = true`; this one fills gaps: `--fill`"));
        }
        let head = opened.heads.get("tokens").ok_or_else(|| {
            let text = format!("the model of the role `{}` has no head for tokens", model.role());
            Error::new("config/generate", text)
                .with_help("generation needs an objective that predicts tokens, like `clm`")
        })?;
        let mut options = opened.evaluation();
        if let Reading::In(dtype) = reading {
            options.resolve.precision = DType::F32;
            options.products = (dtype != DType::F32).then_some(dtype);
        }
        Ok(Self::new(model.clone(), head.instance.clone(), options))
    }

    /// A decoder from its parts.
    #[must_use]
    pub fn new(model: Arc<ModelInstance>, head: Arc<HeadInstance>, options: CallOptions) -> Self {
        let maximum_length = said(&model, "maximum_length").map(|length| length as usize);
        let (answers, start) = (answers(&model), said(&model, "decoder_start_token").map(|id| id as u32));
        Self { model, head, options, maximum_length, answers, start }
    }

    /// The role of its model.
    #[must_use]
    pub fn role(&self) -> &str {
        self.model.role()
    }

    /// The most rows a sequence may have, where the family has a limit.
    #[must_use]
    pub fn maximum_length(&self) -> Option<usize> {
        self.maximum_length
    }

    /// Whether prompts are read by an encoder, and what is written is an answer to them.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers
    }

    /// How many tokens may follow a prompt of so many, where the family has a limit.
    #[must_use]
    pub fn room(&self, prompt: usize) -> Option<usize> {
        // The last token needs no position: nothing follows it.
        let read = if self.answers() { 1 } else { prompt };
        self.maximum_length.map(|maximum| (maximum + 1).saturating_sub(read))
    }

    /// Reads prompts, none of them empty: the state behind them with room for so many tokens more, and the logits `[b, v]` of
    /// what comes first. `keys` are the sequences' random keys.
    ///
    /// # Errors
    /// The model's error.
    pub fn read(&self, prompts: &[&[u32]], keys: &[u64], room: usize) -> Result<(Arc<State>, Vec<f32>)> {
        let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.len()).collect();
        let tokens = prompts.concat();
        if !self.answers {
            let state = self.begin(prompts.len(), lengths.iter().copied().max().unwrap_or(0) + room)?;
            let logits = self.step(&state, &tokens, &lengths, keys)?;
            return Ok((state, logits));
        }
        let start = self.start.ok_or_else(|| {
            let text =
                format!("the model of the role `{}` does not say which token its answers begin with", self.role());
            Error::new("plugin/description", text)
                .with_help("a family with `decoder_layers` describes its `decoder_start_token`")
        })?;
        let layout = Layout::new(&lengths, keys)?;
        let call = Call::new(self.options.clone());
        let request = |inputs| ForwardRequest {
            workflow: "encode",
            inputs,
            layout: &layout,
            masks: &[],
            layers: 0..u32::MAX,
            wanted: &[],
        };
        let tokens_m = Tensor::from_slice(&tokens, &[tokens.len()], &self.options.device)?;
        let inputs = batch_object([("tokens".to_owned(), Content::from(tokens_m))])?;
        let outputs = self.model.forward(&call, &request(&inputs))?;
        let memory_md = hidden_of(&outputs)?;
        let state = self.begin(prompts.len(), 1 + room)?;
        let memory = [("memory", Content::from(memory_md)), ("memory.layout", Content::Layout(layout.clone()))];
        let starts = vec![start; prompts.len()];
        let logits = self.step_with(&state, &starts, &vec![1; prompts.len()], keys, memory)?;
        Ok((state, logits))
    }

    /// An empty state for `count` sequences with room for `room` rows each before it has to grow.
    ///
    /// # Errors
    /// When the model does not decode.
    pub fn begin(&self, count: usize, room: usize) -> Result<Arc<State>> {
        self.model.begin_decoding(&Call::new(self.options.clone()), count, room)
    }

    /// Feeds `new[i]` tokens of each sequence, at least one, which lie one sequence after the other; logits `[b, v]` in f32
    /// of what follows the last of each. `keys` are the sequences' random keys.
    ///
    /// # Errors
    /// The model's error.
    pub fn step(&self, state: &Arc<State>, tokens: &[u32], new: &[usize], keys: &[u64]) -> Result<Vec<f32>> {
        self.step_with(state, tokens, new, keys, [])
    }

    fn step_with<const N: usize>(
        &self,
        state: &Arc<State>,
        tokens: &[u32],
        new: &[usize],
        keys: &[u64],
        further: [(&str, Content); N],
    ) -> Result<Vec<f32>> {
        let call = Call::new(self.options.clone());
        let layout = state.layout(new, keys)?;
        let tokens_n = Tensor::from_slice(tokens, &[tokens.len()], &self.options.device)?;
        let tokens_n = ("tokens".to_owned(), Content::from(tokens_n));
        let further = further.into_iter().map(|(name, content)| (name.to_owned(), content));
        let inputs = batch_object(std::iter::once(tokens_n).chain(further))?;
        let request = ForwardRequest {
            workflow: "decode",
            inputs: &inputs,
            layout: &layout,
            masks: &[],
            layers: 0..u32::MAX,
            wanted: &[],
        };
        let outputs = self.model.step(&call, state, &request)?;
        let mut hidden_bd = hidden_of(&outputs)?;
        if new.iter().any(|new| *new != 1) {
            hidden_bd = ops::index_select(&hidden_bd, 0, &layout.last_rows(&self.options.device)?)?;
        }
        let logits = self.head.apply(&call, &Object::new(hidden_bd))?;
        let logits_bv = match logits.content() {
            Content::Tensor(TensorState::Ready(logits_bv)) => ops::cast(logits_bv, DType::F32)?,
            Content::Tensor(TensorState::Poisoned(fault)) => return Err(fault.error()),
            _ => return Err(Error::new("plugin/kind", "the logits are no tensor")),
        };
        let logits = logits_bv.value().flatten_all().and_then(|logits| logits.to_vec1::<f32>());
        let logits = logits.map_err(compute::Error::from)?;
        if logits.iter().all(|logit| !logit.is_nan()) {
            return Ok(logits);
        }
        Err(Error::new(
            "run/diverged",
            format!("the model of the role `{}` gives logits that are no numbers", self.role()),
        )
        .with_help("take an earlier checkpoint: `--checkpoint`"))
    }
}

fn hidden_of(outputs: &Object) -> Result<Tensor> {
    match outputs.content() {
        Content::Batch(outputs) => outputs.tensor("hidden"),
        _ => Err(Error::new("host/output", "the outputs changed their kind")),
    }
}

/// A whole number of a model's description.
fn said(model: &ModelInstance, name: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(&model.description().json).ok()?[name].as_u64()
}

/// Whether a model has a decoder beside its encoder.
pub(super) fn answers(model: &ModelInstance) -> bool {
    said(model, "decoder_layers").is_some_and(|layers| layers > 0)
}

/// Whether a model writes texts: it is causal, or has a decoder.
#[must_use]
pub fn writes(model: &ModelInstance) -> bool {
    model.description().causal || answers(model)
}
