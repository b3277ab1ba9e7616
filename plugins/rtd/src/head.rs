//! What judges whether a position holds the token that belongs there.

use plugin_api::nn::{LayerNorm, Linear, LinearOptions};
use plugin_api::prelude::*;

/// Where the weights of [`FirstTokenHead`] lie below the objective.
pub(crate) const OWN: &str = "head";

/// From hidden rows to one logit each.
pub(crate) enum Judge {
    /// The family's.
    Scalar(Head),
    /// That of DeBERTaV3.
    FirstToken(FirstTokenHead),
}

/// w · GELU(W · LN(h + h_first)), He et al. 2021, arXiv:2111.09543, in the form of its released code.
pub(crate) struct FirstTokenHead {
    norm: LayerNorm,
    dense: Linear,
    classifier: Linear,
}

impl Judge {
    pub(crate) fn new(kind: &str, discriminator: &Model, scope: &Scope) -> Result<Self> {
        if kind != "cls" {
            return Ok(Self::Scalar(discriminator.head(scope, HeadKind::Scalar)?));
        }
        let (width, scope) = (discriminator.describe()?.width, scope.at(OWN));
        let options = LinearOptions::new().axes("width,width");
        Ok(Self::FirstToken(FirstTokenHead {
            norm: LayerNorm::new(&scope.at("LayerNorm"), width, true, 1e-7)?,
            dense: Linear::new(&scope.at("dense"), width, width, &options)?,
            classifier: Linear::new(&scope.at("classifier"), width, 1, &LinearOptions::new())?,
        }))
    }

    /// Of hidden rows `[n, d]`: logits `[n]`, above 0 where a token seems replaced.
    pub(crate) fn apply(&self, hidden_nd: &Tensor, layout: &Layout) -> Result<Tensor> {
        let logits_n1 = match self {
            Self::Scalar(head) => head.apply(hidden_nd)?,
            Self::FirstToken(head) => {
                let first_n = layout.first_rows().index_select(0, layout.segments());
                let both_nd = head.norm.apply(&(hidden_nd + hidden_nd.index_select(0, &first_n)));
                head.classifier.apply(&head.dense.apply_with(&both_nd, Activation::Gelu))
            }
        };
        Ok(logits_n1.reshape(&[-1]))
    }
}
