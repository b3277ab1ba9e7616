//! Normalisation of rows.

use crate::error::Result;
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight, WeightOptions};

/// Layer normalisation (Ba et al. 2016, arXiv:1607.06450). Weights: `weight` `[width]` and, unless left out, `bias`
/// `[width]`.
#[derive(Clone)]
pub struct LayerNorm {
    weight: Weight,
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
        Ok(Self { weight, bias, epsilon })
    }

    /// Of `[.., width]`, the same shape.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x: &Tensor) -> Tensor {
        x.layer_norm(Some(&self.weight), self.bias.as_ref(), self.epsilon)
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
    /// [`RmsNorm`].
    Rms,
}

impl NormKind {
    /// The names, as settings write them.
    pub const NAMES: [&'static str; 3] = ["layer", "layer_no_bias", "rms"];

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "layer" => Self::Layer,
            "layer_no_bias" => Self::LayerNoBias,
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
