//! Heads: what is predicted of a row, after a norm where the published architectures have one.

use plugin_api::nn::{Linear, LinearOptions, Norm, NormKind};
use plugin_api::prelude::*;

use crate::settings::VitSettings;

/// Weights: `layernorm` where there is one; the linear layer under its published name.
pub(crate) struct VitHead {
    norm: Option<Norm>,
    linear: Linear,
}

impl VitHead {
    /// A head of any kind: `lm_head` of tokens, `classifier` of classes, `decoder.0` of the pixels of a patch, `scalar`.
    pub(crate) fn new(settings: &VitSettings, scope: &Scope, request: &HeadRequest) -> Result<Self> {
        let (name, with_norm) = match request.kind() {
            HeadKind::Tokens => ("lm_head", settings.head_norm),
            HeadKind::Classes(_) => ("classifier", !settings.final_norm),
            HeadKind::Values(_) => ("decoder.0", false),
            HeadKind::Scalar => ("scalar", false),
            other => {
                return Err(Error::unsupported(format!("the vision transformer has no head of the kind {other:?}")));
            }
        };
        let norm = || Norm::new(&scope.at("layernorm"), settings.width, NormKind::Layer, settings.norm_epsilon);
        let options = LinearOptions::new().init(settings.init());
        Ok(Self {
            norm: with_norm.then(norm).transpose()?,
            linear: Linear::new(&scope.at(name), settings.width, request.outputs(scope)?, &options)?,
        })
    }
}

impl HeadModule for VitHead {
    fn apply(&self, hidden_cd: &Tensor) -> Result<Tensor> {
        Ok(match &self.norm {
            Some(norm) => self.linear.apply(&norm.apply(hidden_cd)),
            None => self.linear.apply(hidden_cd),
        })
    }
}
