//! What the family puts on top of its hidden state: tokens, classes, a scalar, values.

use plugin_api::nn::{Linear, LinearHead, LinearOptions, Norm};
use plugin_api::prelude::*;

use crate::embeddings::norm;
use crate::settings::TransformerSettings;

/// Logits over the vocabulary: `[n, d]` to `[n, v]`.
pub(crate) struct TokenHead {
    transform: Option<(Linear, Activation, Norm)>,
    decoder: Weight,
    bias: Option<Weight>,
}

impl TokenHead {
    /// Makes the head below `scope`; `words` `[v, d]` decodes where the settings tie it.
    pub(crate) fn new(
        settings: &TransformerSettings,
        words: &Weight,
        vocabulary: usize,
        scope: &Scope,
    ) -> Result<Self> {
        let scope = scope.at("cls.predictions");
        let init = Init::Normal(settings.initial_std);
        let width = settings.width;
        let transform = if settings.has_head_transform() {
            let inner = scope.at("transform");
            let options = LinearOptions::new().bias(settings.bias).init(init).axes("width,width");
            let dense = Linear::new(&inner.at("dense"), width, width, &options)?;
            Some((dense, settings.activation(), norm(settings, &inner.at("LayerNorm"))?))
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
        let bias = settings.bias.then(|| scope.weight_with("bias", &[vocabulary], Init::Zeros, &bias));
        Ok(Self { transform, decoder, bias: bias.transpose()? })
    }
}

impl HeadModule for TokenHead {
    fn apply(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        let transformed_nd = match &self.transform {
            Some((dense, activation, norm)) => norm.apply(&dense.apply_with(hidden_nd, *activation)),
            None => hidden_nd.clone(),
        };
        Ok(transformed_nd.linear(&self.decoder, self.bias.as_ref(), None))
    }
}

/// Logits over classes, from rows that the objective chose (`layout.first_rows()` for whole texts): `[n, d]` to `[n, c]`.
pub(crate) struct ClassHead {
    pooler: Option<Linear>,
    classifier: LinearHead,
}

impl ClassHead {
    pub(crate) fn new(settings: &TransformerSettings, classes: usize, scope: &Scope) -> Result<Self> {
        let width = settings.width;
        let options = LinearOptions::new().init(Init::Normal(settings.initial_std)).axes("width,width");
        let pooler = settings.pooler.then(|| Linear::new(&scope.at("pooler.dense"), width, width, &options));
        Ok(Self { pooler: pooler.transpose()?, classifier: LinearHead::new(&scope.at("classifier"), width, classes)? })
    }
}

impl HeadModule for ClassHead {
    fn apply(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        match &self.pooler {
            Some(pooler) => self.classifier.apply(&pooler.apply(hidden_nd).tanh()),
            None => self.classifier.apply(hidden_nd),
        }
    }
}
