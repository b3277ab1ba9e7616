//! Logits over classes.

use plugin_api::nn::{Linear, LinearHead, LinearOptions, Norm};
use plugin_api::prelude::*;

use crate::embeddings::norm;
use crate::settings::TransformerSettings;

/// Logits over classes, from rows that the objective chose (`layout.first_rows()` for whole texts): `[n, d]` to `[n,
/// c]`.
pub(crate) struct ClassHead {
    /// The layer, its function (`None`: tanh), a norm.
    pooler: Option<(Linear, Option<Activation>, Option<Norm>)>,
    classifier: LinearHead,
}

impl ClassHead {
    pub(crate) fn new(settings: &TransformerSettings, classes: usize, scope: &Scope) -> Result<Self> {
        let width = settings.width;
        let init = Init::Normal(settings.initial_std);
        let options = LinearOptions::new().bias(settings.head_bias()).init(init).axes("width,width");
        let pooler = |inner: &Scope| -> Result<_> {
            let norm = settings.pooler_norm.then(|| norm(settings, &inner.at("LayerNorm"))).transpose()?;
            let dense = Linear::new(&inner.at("dense"), width, width, &options)?;
            Ok((dense, Activation::from_name(&settings.pooler_activation), norm))
        };
        let pooler = settings.pooler.then(|| pooler(&scope.at("pooler"))).transpose()?;
        Ok(Self { pooler, classifier: LinearHead::new(&scope.at("classifier"), width, classes)? })
    }
}

impl HeadModule for ClassHead {
    fn apply(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        let Some((dense, activation, norm)) = &self.pooler else { return self.classifier.apply(hidden_nd) };
        let pooled_nd = match activation {
            Some(activation) => dense.apply_with(hidden_nd, *activation),
            None => dense.apply(hidden_nd).tanh(),
        };
        self.classifier.apply(&norm.as_ref().map_or_else(|| pooled_nd.clone(), |norm| norm.apply(&pooled_nd)))
    }
}
