//! One number for each row.

use plugin_api::nn::{Linear, LinearHead, LinearOptions};
use plugin_api::prelude::*;

use crate::settings::TransformerSettings;

/// One number for each row, such as whether its token was replaced (Clark et al. 2020, arXiv:2003.10555): `[n, d]` to
/// `[n, 1]`.
pub(crate) struct ScalarHead {
    transform: Option<(Linear, Activation)>,
    score: LinearHead,
}

impl ScalarHead {
    pub(crate) fn new(settings: &TransformerSettings, scope: &Scope) -> Result<Self> {
        let width = settings.width;
        let init = Init::Normal(settings.initial_std);
        let options = LinearOptions::new().bias(settings.head_bias()).init(init).axes("width,width");
        let dense =
            settings.scalar_transform.then(|| Linear::new(&scope.at("transform.dense"), width, width, &options));
        let transform = dense.transpose()?.map(|dense| (dense, settings.activation()));
        Ok(Self { transform, score: LinearHead::new(&scope.at("score"), width, 1)? })
    }
}

impl HeadModule for ScalarHead {
    fn apply(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        match &self.transform {
            Some((dense, activation)) => self.score.apply(&dense.apply_with(hidden_nd, *activation)),
            None => self.score.apply(hidden_nd),
        }
    }
}
