//! The Conformer block: attention and convolution between two half feed-forwards.
//!
//! Gulati et al. 2020, arXiv:2005.08100, section 2, with rotary positions or none in place of relative ones, and a layer
//! norm in place of the batch norm of the convolution, so that samples do not see each other.

use crate::error::Result;
use crate::family::site;
use crate::nn::{
    Attention, AttentionOptions, BlockCall, DepthwiseConv1d, LayerNorm, Linear, LinearOptions, Mlp, MlpOptions,
};
use crate::scope::Scope;
use crate::tensor::{Activation, Tensor};
use crate::weight::Init;

/// What a [`ConformerBlock`] is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformerOptions {
    /// Attention of the rows among themselves.
    pub attention: AttentionOptions,
    /// Both feed-forwards.
    pub mlp: MlpOptions,
    /// Length of the depthwise kernel, odd.
    pub kernel: usize,
    /// Added to variances.
    pub epsilon: f64,
    /// Dropout on what the convolution adds.
    pub dropout: f64,
    /// How the convolution's weights start.
    pub init: Init,
}

impl ConformerOptions {
    /// SiLU, four times as wide inside, a kernel of 31, without dropout and positions.
    #[must_use]
    pub fn new(width: usize, num_heads: usize) -> Self {
        Self {
            attention: AttentionOptions::new(width, num_heads),
            mlp: MlpOptions { activation: Activation::Silu, ..MlpOptions::new(width) },
            kernel: 31,
            epsilon: 1e-5,
            dropout: 0.0,
            init: Init::Normal(0.02),
        }
    }
}

/// x + ½ FFN(LN x); x + attention(LN x); x + convolution(LN x); x + ½ FFN(LN x); LN x.
///
/// The convolution: pointwise to 2d, GLU (sigmoid), depthwise, layer norm, SiLU, pointwise. Weights: `ffn1.{norm,up,down}`,
/// `attention.{norm,query,key,value,output}`, `conv.{norm,pointwise1,depthwise,inner_norm,pointwise2}`,
/// `ffn2.{norm,up,down}`, `norm`. Site, below the block's name: `output`.
#[derive(Clone)]
pub struct ConformerBlock {
    ffn: [(LayerNorm, Mlp); 2],
    attention: (LayerNorm, Attention),
    convolution: (LayerNorm, Convolution),
    norm: LayerNorm,
    site: String,
}

impl ConformerBlock {
    /// Makes it; `name` (`layers.3`) goes before the names of its sites.
    ///
    /// # Errors
    /// When the heads do not fit or a name is taken.
    pub fn new(scope: &Scope, name: &str, options: ConformerOptions) -> Result<Self> {
        let width = options.attention.width;
        let norm = |at: &str| LayerNorm::new(&scope.at(at), width, true, options.epsilon);
        let ffn = |at: &str| Ok((norm(&format!("{at}.norm"))?, Mlp::new(&scope.at(at), options.mlp)?));
        Ok(Self {
            ffn: [ffn("ffn1")?, ffn("ffn2")?],
            attention: (norm("attention.norm")?, Attention::new(&scope.at("attention"), options.attention)?),
            convolution: (norm("conv.norm")?, Convolution::new(&scope.at("conv"), width, options)?),
            norm: norm("norm")?,
            site: format!("{name}.output"),
        })
    }

    /// Of rows `[n, width]`, the same shape.
    ///
    /// # Errors
    /// When relative positions do not fit.
    #[track_caller]
    pub fn apply(&self, x_nd: &Tensor, call: BlockCall<'_>) -> Result<Tensor> {
        let BlockCall { layout, positions, mask, relative, .. } = call;
        let half = |x: &Tensor, (norm, mlp): &(LayerNorm, Mlp)| x + mlp.apply(&norm.apply(x), layout) * 0.5;
        let x_nd = half(x_nd, &self.ffn[0]);
        let (norm, attention) = &self.attention;
        let normed_nd = norm.apply(&x_nd);
        let attended_nd = match relative {
            Some(relative) => attention.apply_relative(&normed_nd, layout, positions, mask, relative, None)?,
            None => attention.apply(&normed_nd, layout, positions, mask),
        };
        let x_nd = &x_nd + attended_nd;
        let (norm, convolution) = &self.convolution;
        let x_nd = &x_nd + convolution.apply(&norm.apply(&x_nd), call);
        Ok(site(&self.site, &self.norm.apply(&half(&x_nd, &self.ffn[1]))))
    }
}

#[derive(Clone)]
struct Convolution {
    pointwise1: Linear,
    depthwise: DepthwiseConv1d,
    norm: LayerNorm,
    pointwise2: Linear,
    dropout: f64,
}

impl Convolution {
    fn new(scope: &Scope, width: usize, options: ConformerOptions) -> Result<Self> {
        let linear = LinearOptions::new().init(options.init);
        Ok(Self {
            pointwise1: Linear::new(&scope.at("pointwise1"), width, 2 * width, &linear.clone().axes("2*width,width"))?,
            depthwise: DepthwiseConv1d::new(&scope.at("depthwise"), width, options.kernel, Init::KaimingUniform)?,
            norm: LayerNorm::new(&scope.at("inner_norm"), width, true, options.epsilon)?,
            pointwise2: Linear::new(&scope.at("pointwise2"), width, width, &linear.axes("width,width"))?,
            dropout: options.dropout,
        })
    }

    #[track_caller]
    fn apply(&self, x_nd: &Tensor, call: BlockCall<'_>) -> Tensor {
        // glu() takes the gate first; the paper's gate is the second half, which is the same up to the order of weights.
        let gated_nd = self.pointwise1.apply(x_nd).glu(Activation::Sigmoid);
        // Padding stands where the ends of a sample are: zeros, as within the convolution itself.
        let padded_bdt = call.layout.pad(&gated_nd, 0.0).transpose(1, 2).contiguous();
        let mixed_nd = call.layout.rows(self.depthwise.apply(&padded_bdt).transpose(1, 2));
        let mixed_nd = self.norm.apply(&mixed_nd).silu();
        self.pointwise2.apply(&mixed_nd).dropout(self.dropout, Some(call.layout), "convolution")
    }
}
