//! From token ids to the first hidden state.

use plugin_api::nn::{Embedding, LearnedPositions, Norm, sinusoidal};
use plugin_api::prelude::*;

use crate::settings::{Positions, TransformerSettings};

/// Word, position and type embeddings, norm, dropout.
pub(crate) struct Embeddings {
    pub(crate) words: Embedding,
    positions: Option<LearnedPositions>,
    types: Option<Embedding>,
    norm: Option<Norm>,
    sinusoidal: bool,
    dropout: f64,
    width: usize,
}

impl Embeddings {
    pub(crate) fn new(settings: &TransformerSettings, vocabulary: &Vocabulary, scope: &Scope) -> Result<Self> {
        let (width, init) = (settings.width, Init::Normal(settings.initial_std));
        let words = Embedding::new(&scope.at("word_embeddings"), vocabulary.size(), width, init, "vocabulary,width")?;
        let positions = (settings.position_kind() == Positions::Learned)
            .then(|| LearnedPositions::new(&scope.at("position_embeddings"), settings.maximum_length, width, init));
        let types = (settings.token_types > 0).then(|| {
            Embedding::new(&scope.at("token_type_embeddings"), settings.token_types, width, init, "type,width")
        });
        let norm = settings.has_embedding_norm().then(|| norm(settings, &scope.at("LayerNorm")));
        Ok(Self {
            words,
            positions: positions.transpose()?,
            types: types.transpose()?,
            norm: norm.transpose()?,
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
            let waves_nd = sinusoidal(&layout.positions(), self.width).cast(sum_nd.dtype()?);
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
        if let Some(positions) = &self.positions {
            sum_nd = sum_nd + positions.apply(layout)?;
        }
        if let Some(norm) = &self.norm {
            sum_nd = norm.apply(&sum_nd);
        }
        Ok(sum_nd.dropout(self.dropout, Some(layout), "embeddings"))
    }
}

/// The norm that the settings ask for, below `scope`.
pub(crate) fn norm(settings: &TransformerSettings, scope: &Scope) -> Result<Norm> {
    Norm::new(scope, settings.width, settings.norm_kind(), settings.norm_epsilon)
}
