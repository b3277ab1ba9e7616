//! Normalisation of rows.

use crate::error::Result;
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight, WeightOptions};

/// Layer normalisation (Ba et al. 2016, arXiv:1607.06450). Weights, unless left out: `weight` `[width]`, `bias` `[width]`.
#[derive(Clone)]
pub struct LayerNorm {
    weight: Option<Weight>,
    bias: Option<Weight>,
    epsilon: f64,
}

impl LayerNorm {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, width: usize, bias: bool, epsilon: f64) -> Result<Self> {
        let options = WeightOptions::new().axes("width");
        let weight = scope.weight_with("weight", &[width], Init::Ones, &options)?;
        let bias = bias.then(|| scope.weight_with("bias", &[width], Init::Zeros, &options)).transpose()?;
        Ok(Self { weight: Some(weight), bias, epsilon })
    }

    /// Without weights.
    #[must_use]
    pub fn plain(epsilon: f64) -> Self {
        Self { weight: None, bias: None, epsilon }
    }

    /// Of `[.., width]`, the same shape.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.as_ref(), self.bias.as_ref(), self.epsilon)
    }
}

/// Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467). Weights: `weight` `[width]`.
#[derive(Clone)]
pub struct RmsNorm {
    weight: Weight,
    epsilon: f64,
}

impl RmsNorm {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, width: usize, epsilon: f64) -> Result<Self> {
        let weight = scope.weight_with("weight", &[width], Init::Ones, &WeightOptions::new().axes("width"))?;
        Ok(Self { weight, epsilon })
    }

    /// Of `[.., width]`, the same shape.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x: &Tensor) -> Tensor {
        x.rms_norm(Some(&self.weight), self.epsilon)
    }
}

/// Which normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NormKind {
    /// [`LayerNorm`].
    Layer,
    /// [`LayerNorm`] without bias.
    LayerNoBias,
    /// [`LayerNorm`] without weights.
    LayerPlain,
    /// [`RmsNorm`].
    Rms,
}

impl NormKind {
    /// The names, as settings write them.
    pub const NAMES: [&'static str; 4] = ["layer", "layer_no_bias", "layer_plain", "rms"];

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "layer" => Self::Layer,
            "layer_no_bias" => Self::LayerNoBias,
            "layer_plain" => Self::LayerPlain,
            "rms" => Self::Rms,
            _ => return None,
        })
    }
}

/// A normalisation.
#[derive(Clone)]
#[non_exhaustive]
pub enum Norm {
    /// By layer.
    Layer(LayerNorm),
    /// By root mean square.
    Rms(RmsNorm),
}

impl Norm {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, width: usize, kind: NormKind, epsilon: f64) -> Result<Self> {
        Ok(match kind {
            NormKind::Layer => Self::Layer(LayerNorm::new(scope, width, true, epsilon)?),
            NormKind::LayerNoBias => Self::Layer(LayerNorm::new(scope, width, false, epsilon)?),
            NormKind::LayerPlain => Self::Layer(LayerNorm::plain(epsilon)),
            NormKind::Rms => Self::Rms(RmsNorm::new(scope, width, epsilon)?),
        })
    }

    /// Of `[.., width]`, the same shape.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Layer(norm) => norm.apply(x),
            Self::Rms(norm) => norm.apply(x),
        }
    }
}
