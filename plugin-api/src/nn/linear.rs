//! Linear layers and the plain head.

use crate::error::Result;
use crate::family::HeadModule;
use crate::scope::Scope;
use crate::tensor::{Activation, Tensor};
use crate::weight::{Init, Weight, WeightOptions};

/// A low-rank change of a frozen weight: W + scale · up · down (Hu et al. 2021, arXiv:2106.09685). `up` starts at 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowRank {
    /// Rows of `down` and columns of `up`.
    pub rank: usize,
    /// What their product is multiplied by.
    pub scale: f64,
}

/// What is particular about a linear layer.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct LinearOptions {
    bias: bool,
    init: Init,
    axes: String,
    low_rank: Option<LowRank>,
}

impl Default for LinearOptions {
    /// With bias, weights normal with deviation 0.02 (Devlin et al. 2018; Radford et al. 2019).
    fn default() -> Self {
        Self { bias: true, init: Init::Normal(0.02), axes: String::new(), low_rank: None }
    }
}

impl LinearOptions {
    /// As [`LinearOptions::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// With or without a bias.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// How the weight starts; the bias starts at 0.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Names of the weight's axes, `outputs,inputs`: `ffn,width`.
    pub fn axes(mut self, axes: &str) -> Self {
        axes.clone_into(&mut self.axes);
        self
    }

    /// The weight stays as it is and a low-rank change learns.
    pub fn low_rank(mut self, low_rank: Option<LowRank>) -> Self {
        self.low_rank = low_rank;
        self
    }
}

/// x · weightᵀ + bias. Weights: `weight` `[outputs, inputs]`, `bias` `[outputs]`; with a low-rank change `lora_down`
/// `[rank, inputs]` and `lora_up` `[outputs, rank]`, which learn even where the scope is frozen.
#[derive(Clone)]
pub struct Linear {
    weight: Weight,
    bias: Option<Weight>,
}

impl Linear {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, options: &LinearOptions) -> Result<Self> {
        let weight_options = WeightOptions::new().axes(options.axes.clone());
        let weight = scope.weight_with("weight", &[outputs, inputs], options.init, &weight_options)?;
        if let Some(LowRank { rank, scale }) = options.low_rank {
            let learning = scope.frozen(false);
            let down = learning.weight_with(
                "lora_down",
                &[rank, inputs],
                Init::KaimingUniform,
                &WeightOptions::new().axes("rank,inputs"),
            )?;
            let up = learning.weight_with(
                "lora_up",
                &[outputs, rank],
                Init::Zeros,
                &WeightOptions::new().axes("outputs,rank"),
            )?;
            weight.add_low_rank(&down, &up, scale)?;
        }
        if !options.bias {
            return Ok(Self { weight, bias: None });
        }
        let outputs_axis = options.axes.split(',').next().unwrap_or_default();
        let bias_options = WeightOptions::new().axes(outputs_axis);
        let bias = scope.weight_with("bias", &[outputs], Init::Zeros, &bias_options)?;
        Ok(Self { weight, bias: Some(bias) })
    }

    /// With a weight that exists already, such as a tied embedding.
    #[must_use]
    pub fn from_weights(weight: Weight, bias: Option<Weight>) -> Self {
        Self { weight, bias }
    }

    /// Of `[.., inputs]`: `[.., outputs]`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref(), None)
    }

    /// The same, then an activation, in one operation.
    #[track_caller]
    #[must_use]
    pub fn apply_with(&self, x: &Tensor, activation: Activation) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref(), Some(activation))
    }

    /// The weight `[outputs, inputs]`.
    #[must_use]
    pub fn weight(&self) -> &Weight {
        &self.weight
    }

    /// The bias `[outputs]`.
    #[must_use]
    pub fn bias(&self) -> Option<&Weight> {
        self.bias.as_ref()
    }
}

/// The head of a family that has none of its own: one linear layer.
#[derive(Clone)]
pub struct LinearHead(Linear);

impl LinearHead {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, width: usize, outputs: usize) -> Result<Self> {
        Linear::new(scope, width, outputs, &LinearOptions::new()).map(Self)
    }
}

impl HeadModule for LinearHead {
    fn apply(&self, hidden_cd: &Tensor) -> Result<Tensor> {
        Ok(self.0.apply(hidden_cd))
    }
}
