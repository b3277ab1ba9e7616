//! The feed-forward part of a block, plain or gated.

use crate::error::Result;
use crate::layout::Layout;
use crate::nn::{Linear, LinearOptions};
use crate::scope::Scope;
use crate::tensor::{Activation, Tensor};
use crate::weight::Init;

/// What an [`Mlp`] is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MlpOptions {
    /// Features in and out.
    pub width: usize,
    /// Features between.
    pub ffn: usize,
    /// The function between.
    pub activation: Activation,
    /// Gated: activation(gate · x) ∘ (up · x) (Shazeer 2020, arXiv:2002.05202): SwiGLU with [`Activation::Silu`], GEGLU
    /// with [`Activation::Gelu`].
    pub gated: bool,
    /// With biases.
    pub bias: bool,
    /// Whether the first layer has a bias, where that differs.
    pub first_bias: Option<bool>,
    /// A norm without weights before the last layer, with this added to variances (Samuel et al. 2023,
    /// arXiv:2303.09859, section 3).
    pub inner_norm: Option<f64>,
    /// Dropout on what comes out.
    pub dropout: f64,
    /// How the first weights start.
    pub init: Init,
    /// How the last weight starts; deep models take it smaller.
    pub output_init: Init,
}

impl MlpOptions {
    /// GELU, four times as wide inside, with biases, no dropout.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ffn: 4 * width,
            activation: Activation::Gelu,
            gated: false,
            bias: true,
            first_bias: None,
            inner_norm: None,
            dropout: 0.0,
            init: Init::Normal(0.02),
            output_init: Init::Normal(0.02),
        }
    }
}

/// down(activation(up(x))). Weights: `up` `[ffn, width]`, or `gate_up` `[2 ffn, width]` with the gate first; `down`
/// `[width, ffn]`.
#[derive(Clone)]
pub struct Mlp {
    up: Linear,
    down: Linear,
    options: MlpOptions,
}

impl Mlp {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, options: MlpOptions) -> Result<Self> {
        Self::named(scope, [if options.gated { "gate_up" } else { "up" }, "down"], options)
    }

    /// Makes it with other names for the first and the last layer below the scope.
    ///
    /// # Errors
    /// As [`Mlp::new`].
    pub fn named(scope: &Scope, names: [&str; 2], options: MlpOptions) -> Result<Self> {
        let [up, down] = names.map(|name| scope.at(name));
        let MlpOptions { width, ffn, gated, bias, first_bias, init, output_init, .. } = options;
        let inner = LinearOptions::new().bias(first_bias.unwrap_or(bias)).init(init);
        let up = if gated {
            Linear::new(&up, width, 2 * ffn, &inner.axes("2*ffn,width"))?
        } else {
            Linear::new(&up, width, ffn, &inner.axes("ffn,width"))?
        };
        let outer = LinearOptions::new().bias(bias).init(output_init).axes("width,ffn");
        Ok(Self { up, down: Linear::new(&down, ffn, width, &outer)?, options })
    }

    /// Of rows `[n, width]`, the same shape. Draws of dropout belong to the rows of `layout`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x_nd: &Tensor, layout: &Layout) -> Tensor {
        let activation = self.options.activation;
        let mut inner_nf =
            if self.options.gated { self.up.apply(x_nd).glu(activation) } else { self.up.apply_with(x_nd, activation) };
        if let Some(epsilon) = self.options.inner_norm {
            inner_nf = inner_nf.layer_norm(None, None, epsilon);
        }
        self.down.apply(&inner_nf).dropout(self.options.dropout, Some(layout), "mlp")
    }
}
