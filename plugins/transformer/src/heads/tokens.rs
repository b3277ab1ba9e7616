//! Logits over the vocabulary.

use plugin_api::nn::{Linear, LinearOptions, Norm};
use plugin_api::prelude::*;

use crate::embeddings::norm_of;
use crate::settings::TransformerSettings;

/// Logits over the vocabulary: `[n, d]` to `[n, v]`.
pub(crate) struct TokenHead {
    transform: Option<(Linear, Activation, Norm)>,
    /// May have rows behind those of the vocabulary.
    decoder: Weight,
    has_further_rows: bool,
    bias: Option<Weight>,
    vocabulary: usize,
    /// What rows are multiplied by.
    scale: Option<f64>,
}

impl TokenHead {
    /// Makes the head below `scope`; `words` `[v or more, e]` decodes where the settings tie it.
    pub(crate) fn new(
        settings: &TransformerSettings,
        words: &Weight,
        vocabulary: usize,
        scope: &Scope,
    ) -> Result<Self> {
        let scope = scope.at("cls.predictions");
        let init = Init::Normal(settings.initial_std);
        let transform = settings.has_head_transform();
        let width = if transform { settings.embedding_width() } else { settings.width };
        let transform = if transform {
            let inner = scope.at("transform");
            let options = LinearOptions::new().bias(settings.head_bias()).init(init).axes("embedding,width");
            let dense = Linear::new(&inner.at("dense"), settings.width, width, &options)?;
            Some((dense, settings.head_activation(), norm_of(settings, width, &inner.at("LayerNorm"))?))
        } else {
            None
        };
        let decoder = if settings.tied_head {
            words.clone()
        } else {
            let options = WeightOptions::new().axes("vocabulary,width");
            scope.weight_with("decoder.weight", &[vocabulary, width], init, &options)?
        };
        let bias = WeightOptions::new().no_decay().axes("vocabulary");
        let bias = settings.decoder_bias().then(|| scope.weight_with("bias", &[vocabulary], Init::Zeros, &bias));
        let has_further_rows = decoder.dims()?[0] > vocabulary;
        let scale = settings.scaled_head.then(|| (settings.width as f64).sqrt().recip());
        Ok(Self { transform, decoder, has_further_rows, bias: bias.transpose()?, vocabulary, scale })
    }
}

impl HeadModule for TokenHead {
    fn apply(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        let mut transformed_ne = match &self.transform {
            Some((dense, activation, norm)) => norm.apply(&dense.apply_with(hidden_nd, *activation)),
            None => hidden_nd.clone(),
        };
        if let Some(scale) = self.scale {
            transformed_ne = transformed_ne * scale;
        }
        if self.has_further_rows {
            // Rows that are no token's have no logits, so that they are never the likeliest.
            let decoder_ve = self.decoder.tensor().narrow(0, 0, self.vocabulary);
            return Ok(transformed_ne.linear(&decoder_ve, self.bias.as_ref(), None));
        }
        Ok(transformed_ne.linear(&self.decoder, self.bias.as_ref(), None))
    }
}
