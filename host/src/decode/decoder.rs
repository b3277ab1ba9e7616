//! A causal model with its token head, stepped over sequences that it remembers.

use std::sync::Arc;

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
}

impl Decoder {
    /// An opened model with its token head.
    ///
    /// # Errors
    /// When the model is not causal or has no token head.
    pub fn of_opened(opened: &Opened, reading: Reading) -> Result<Self> {
        let model = &opened.model;
        if !model.description().causal {
            let text = format!("the model of the role `{}` is not causal: it sees what comes after", model.role());
            return Err(Error::new("config/generate", text)
                .with_help("train one with `causal = true`; `lacuna eval --fill` fills gaps with this one"));
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
        let said: Option<serde_json::Value> = serde_json::from_str(&model.description().json).ok();
        let maximum_length = said.and_then(|said| said["maximum_length"].as_u64()).map(|length| length as usize);
        Self { model, head, options, maximum_length }
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
        let call = Call::new(self.options.clone());
        let layout = state.layout(new, keys)?;
        let tokens_n = Tensor::from_slice(tokens, &[tokens.len()], &self.options.device)?;
        let inputs = batch_object([("tokens".to_owned(), Content::from(tokens_n))])?;
        let request = ForwardRequest {
            workflow: "decode",
            inputs: &inputs,
            layout: &layout,
            masks: &[],
            layers: 0..u32::MAX,
            wanted: &[],
        };
        let outputs = self.model.step(&call, state, &request)?;
        let Content::Batch(outputs) = outputs.content() else {
            return Err(Error::new("host/output", "the outputs changed their kind"));
        };
        let mut hidden_bd = outputs.tensor("hidden")?;
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
