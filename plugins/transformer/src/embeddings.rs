//! From token ids to the first hidden state.

use plugin_api::nn::{Embedding, LearnedPositions, Linear, LinearOptions, Norm, sinusoidal};
use plugin_api::prelude::*;

use crate::settings::{Positions, TransformerSettings};

/// Word, position and type embeddings, norm, dropout, and a layer where they are not as wide as the model.
pub(crate) struct Embeddings {
    pub(crate) words: Embedding,
    positions: Option<LearnedPositions>,
    types: Option<Embedding>,
    norm: Option<Norm>,
    project: Option<Linear>,
    sinusoidal: bool,
    dropout: f64,
    width: usize,
}

impl Embeddings {
    /// Makes them below `embeddings`, and the layer below `embeddings_project`.
    pub(crate) fn new(settings: &TransformerSettings, vocabulary: usize, whole: &Scope) -> Result<Self> {
        let (width, init) = (settings.embedding_width(), Init::Normal(settings.initial_std));
        let scope = whole.at("embeddings");
        let rows = vocabulary.next_multiple_of(settings.vocabulary_multiple);
        let words = Embedding::new(&scope.at("word_embeddings"), rows, width, init, "vocabulary,width")?;
        let positions = (settings.position_kind() == Positions::Learned).then(|| {
            let (length, offset) = (settings.maximum_length, settings.position_offset);
            LearnedPositions::with_offset(&scope.at("position_embeddings"), length, offset, width, init)
        });
        let types = (settings.token_types > 0).then(|| {
            Embedding::new(&scope.at("token_type_embeddings"), settings.token_types, width, init, "type,width")
        });
        let norm = settings.has_embedding_norm().then(|| norm_of(settings, width, &scope.at("LayerNorm")));
        let project = (width != settings.width).then(|| {
            let options = LinearOptions::new().bias(settings.bias).init(init).axes("width,embedding");
            Linear::new(&whole.at("embeddings_project"), width, settings.width, &options)
        });
        Ok(Self {
            words,
            positions: positions.transpose()?,
            types: types.transpose()?,
            norm: norm.transpose()?,
            project: project.transpose()?,
            sinusoidal: settings.position_kind() == Positions::Sinusoidal,
            dropout: settings.dropout,
            width,
        })
    }

    /// `[n, d]`, from the call's `tokens`, or from its `embeddings` in place of word embeddings.
    pub(crate) fn apply(&self, call: &Forward) -> Result<Tensor> {
        let layout = call.layout();
        let mut sum_nd = match (call.embeddings(), call.tokens()) {
            (Some(embeddings_nd), _) => embeddings_nd,
            (None, Some(tokens_n)) => self.words.apply(&tokens_n),
            (None, None) => {
                return Err(call.nothing_to_run().help("give `tokens`, `embeddings`, or `hidden` for a later layer"));
            }
        };
        if self.sinusoidal {
            let waves_nd = sinusoidal(&positions(call)?, self.width).cast(sum_nd.dtype()?);
            sum_nd = sum_nd * (self.width as f64).sqrt() + waves_nd;
        }
        if let Some(types) = &self.types {
            // Without types every row is of type 0.
            sum_nd = sum_nd
                + match call.input("token_types")? {
                    Some(types_n) => types.apply(&types_n),
                    None => types.weight().tensor().narrow(0, 0, 1),
                };
        }
        if let Some(learned) = &self.positions {
            sum_nd = sum_nd + learned.apply_at(&positions(call)?)?;
        }
        if let Some(norm) = &self.norm {
            sum_nd = norm.apply(&sum_nd);
        }
        sum_nd = sum_nd.dropout(self.dropout, Some(layout), "embeddings");
        Ok(self.project.as_ref().map_or_else(|| sum_nd.clone(), |project| project.apply(&sum_nd)))
    }
}

/// Where rows stand, u32 `[n]`: the input `positions`, without it their places in the layout.
pub(crate) fn positions(call: &Forward) -> Result<Tensor> {
    Ok(call.input("positions")?.unwrap_or_else(|| call.layout().positions()))
}

/// The norm that the settings ask for, below `scope`.
pub(crate) fn norm(settings: &TransformerSettings, scope: &Scope) -> Result<Norm> {
    norm_of(settings, settings.width, scope)
}

/// The same of another width.
pub(crate) fn norm_of(settings: &TransformerSettings, width: usize, scope: &Scope) -> Result<Norm> {
    Norm::new(scope, width, settings.norm_kind(), settings.norm_epsilon)
}
