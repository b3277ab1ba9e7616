//! A transformer block: attention, feed-forward, residuals and norms.

use crate::error::Result;
use crate::family::site;
use crate::layout::Layout;
use crate::mask::Mask;
use crate::nn::{Attention, AttentionNames, AttentionOptions, Memory, Mlp, MlpOptions, Norm, NormKind, Relative};
use crate::scope::Scope;
use crate::state::State;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight, WeightOptions};

/// What a [`Block`] is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockOptions {
    /// Attention of the rows among themselves.
    pub attention: AttentionOptions,
    /// Feed-forward.
    pub mlp: MlpOptions,
    /// Which norm.
    pub norm: NormKind,
    /// Added to variances.
    pub epsilon: f64,
    /// Norms before attention and feed-forward (Xiong et al. 2020, arXiv:2002.04745) instead of after the residual.
    pub pre_norm: bool,
    /// With a norm for attention; the first block of ModernBERT has none.
    pub attention_norm: bool,
    /// With attention to a memory between both.
    pub cross: bool,
    /// What attention and feed-forward add is multiplied by learned factors, one for each feature, that start here
    /// (Touvron et al. 2021, arXiv:2103.17239, section 2).
    pub layer_scale: Option<f64>,
}

impl BlockOptions {
    /// The block of BERT (Devlin et al. 2018): post-norm, layer norm, GELU, without dropout.
    #[must_use]
    pub fn new(width: usize, num_heads: usize) -> Self {
        Self {
            attention: AttentionOptions::new(width, num_heads),
            mlp: MlpOptions::new(width),
            norm: NormKind::Layer,
            epsilon: 1e-12,
            pre_norm: false,
            attention_norm: true,
            cross: false,
            layer_scale: None,
        }
    }
}

/// Where the parts of a [`Block`] lie below its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockNames<'a> {
    /// The layers of attention.
    pub attention: AttentionNames<'a>,
    /// The norm that goes with it.
    pub attention_norm: &'a str,
    /// The layers of the attention to a memory.
    pub cross: AttentionNames<'a>,
    /// The norm that goes with it.
    pub cross_norm: &'a str,
    /// The first and the last layer.
    pub mlp: [&'a str; 2],
    /// The norm that goes with them.
    pub mlp_norm: &'a str,
}

impl BlockNames<'_> {
    /// The names of [`Block::new`].
    #[must_use]
    pub fn usual(gated: bool) -> Self {
        Self {
            attention: AttentionNames {
                query: "attention.query",
                key: "attention.key",
                value: "attention.value",
                output: "attention.output",
                gate: "attention.gate",
                positions: ["attention.position_query", "attention.position_key"],
            },
            attention_norm: "attention_norm",
            cross: AttentionNames {
                query: "cross.query",
                key: "cross.key",
                value: "cross.value",
                output: "cross.output",
                gate: "cross.gate",
                positions: ["cross.position_query", "cross.position_key"],
            },
            cross_norm: "cross_norm",
            mlp: [if gated { "mlp.gate_up" } else { "mlp.up" }, "mlp.down"],
            mlp_norm: "mlp_norm",
        }
    }
}

/// What surrounds a block in a call.
#[derive(Debug, Clone, Copy)]
pub struct BlockCall<'a> {
    /// The layout of the rows.
    pub layout: &'a Layout,
    /// Positions `[n]` for rotary ones; those of the layout where `None`.
    pub positions: Option<&'a Tensor>,
    /// Who sees whom; everybody in a segment where `None`.
    pub mask: Option<&'a Mask>,
    /// Relative positions, which [`Block::attend`] knows.
    pub relative: Option<&'a Relative>,
    /// What attention to a memory looks at: [`Block::memory`].
    pub memory: Option<&'a Memory>,
    /// What the rows before those of this call left: a step of decoding.
    pub state: Option<&'a State>,
}

impl<'a> BlockCall<'a> {
    /// Everybody in a segment sees everybody.
    #[must_use]
    pub fn new(layout: &'a Layout) -> Self {
        Self { layout, positions: None, mask: None, relative: None, memory: None, state: None }
    }

    /// With a mask.
    #[must_use]
    pub fn mask(mut self, mask: Option<&'a Mask>) -> Self {
        self.mask = mask;
        self
    }

    /// With positions.
    #[must_use]
    pub fn positions(mut self, positions: Option<&'a Tensor>) -> Self {
        self.positions = positions;
        self
    }

    /// With relative positions.
    #[must_use]
    pub fn relative(mut self, relative: Option<&'a Relative>) -> Self {
        self.relative = relative;
        self
    }

    /// With a memory.
    #[must_use]
    pub fn memory(mut self, memory: Option<&'a Memory>) -> Self {
        self.memory = memory;
        self
    }

    /// With what the rows before left; keys and values go under the block's name.
    #[must_use]
    pub fn state(mut self, state: Option<&'a State>) -> Self {
        self.state = state;
        self
    }
}

/// A block. Weights: `attention.*`, `attention_norm.*`, `cross.*`, `cross_norm.*`, `mlp.*`, `mlp_norm.*`; with
/// layer scale `lambda_1` of attention and `lambda_2` of feed-forward, `[width]`, under these names whatever the others.
///
/// Sites, below the block's name: `attention.output`, `mlp.input`, `output`.
#[derive(Clone)]
pub struct Block {
    attention: Attention,
    attention_norm: Option<Norm>,
    cross: Option<(Attention, Norm)>,
    mlp: Mlp,
    mlp_norm: Norm,
    pre_norm: bool,
    scales: Option<[Weight; 2]>,
    name: String,
    sites: [String; 3],
}

impl Block {
    /// Makes it; `name` (`layers.3`) goes before the names of its sites.
    ///
    /// # Errors
    /// When the heads do not fit or a name is taken.
    pub fn new(scope: &Scope, name: &str, options: BlockOptions) -> Result<Self> {
        Self::named(scope, name, &BlockNames::usual(options.mlp.gated), options)
    }

    /// Makes it with other names below the scope, for families that follow a published one.
    ///
    /// # Errors
    /// As [`Block::new`].
    pub fn named(scope: &Scope, name: &str, names: &BlockNames<'_>, options: BlockOptions) -> Result<Self> {
        let BlockOptions { attention, mlp, norm, epsilon, pre_norm, attention_norm, cross, layer_scale } = options;
        let width = attention.width;
        let norm_at = |at: &str| Norm::new(&scope.at(at), width, norm, epsilon);
        let vector = WeightOptions::new().no_decay().axes("width");
        let scale = |name: &str, start| scope.weight_with(name, &[width], Init::Constant(start), &vector);
        let cross_attention = AttentionOptions { rotary: None, relative: None, ..attention };
        Ok(Self {
            attention: Attention::named(scope, &names.attention, attention)?,
            attention_norm: attention_norm.then(|| norm_at(names.attention_norm)).transpose()?,
            cross: cross
                .then(|| Ok((Attention::named(scope, &names.cross, cross_attention)?, norm_at(names.cross_norm)?)))
                .transpose()?,
            mlp: Mlp::named(scope, names.mlp, mlp)?,
            mlp_norm: norm_at(names.mlp_norm)?,
            pre_norm,
            scales: layer_scale.map(|start| Ok([scale("lambda_1", start)?, scale("lambda_2", start)?])).transpose()?,
            name: name.to_owned(),
            sites: ["attention.output", "mlp.input", "output"].map(|site| format!("{name}.{site}")),
        })
    }

    /// The name that goes before those of its sites, and that its past has in a state.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its attention to a memory looks at, of rows `[m, width]`; `None` for a block without.
    #[track_caller]
    #[must_use]
    pub fn memory(&self, rows_md: &Tensor, layout: &Layout) -> Option<Memory> {
        self.cross.as_ref().map(|(cross, _)| cross.memory(rows_md, layout))
    }

    /// Of rows `[n, width]`, the same shape. A block with cross-attention skips it in a call without memory. Without
    /// relative positions: see [`Block::attend`].
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x_nd: &Tensor, call: BlockCall<'_>) -> Tensor {
        let attended_nd = self.attended(&self.before(x_nd), call);
        self.feed(&self.crossed(self.with_attended(x_nd, attended_nd), call), call.layout)
    }

    /// Queries `[n, h, k]`, keys and values `[n, g, k]` of attention over the rows `[n, width]` that enter the block, for those who
    /// look at what passes between rows. They are computed once more: [`Block::apply`] keeps none.
    #[track_caller]
    #[must_use]
    pub fn queries_keys_values(&self, x_nd: &Tensor, call: BlockCall<'_>) -> [Tensor; 3] {
        self.attention.queries_keys_values(&self.before(x_nd), call.layout, call.positions)
    }

    /// The first part, with all attention: of rows `[n, width]` the same shape. [`Block::feed`] follows.
    ///
    /// # Errors
    /// When what relative positions remember does not fit.
    #[track_caller]
    pub fn attend(&self, x_nd: &Tensor, call: BlockCall<'_>) -> Result<Tensor> {
        let normed_nd = self.before(x_nd);
        let attended_nd = match call.relative {
            Some(relative) => {
                let past = call.state.map(|state| (state, self.name.as_str()));
                let BlockCall { layout, positions, mask, .. } = call;
                self.attention.apply_relative(&normed_nd, layout, positions, mask, relative, past)?
            }
            None => self.attended(&normed_nd, call),
        };
        Ok(self.crossed(self.with_attended(x_nd, attended_nd), call))
    }

    /// The second part: feed-forward.
    #[track_caller]
    #[must_use]
    pub fn feed(&self, x_nd: &Tensor, layout: &Layout) -> Tensor {
        let [_, mlp_site, output_site] = &self.sites;
        let fed = |x: &Tensor| self.scaled(self.mlp.apply(&site(mlp_site, x), layout), 1);
        let x_nd = self.residual(x_nd, &self.mlp_norm, fed);
        site(output_site, &x_nd)
    }

    #[track_caller]
    fn attended(&self, normed_nd: &Tensor, call: BlockCall<'_>) -> Tensor {
        let BlockCall { layout, positions, mask, state, .. } = call;
        match state {
            Some(state) => self.attention.apply_remembering(normed_nd, layout, positions, mask, (state, &self.name)),
            None => self.attention.apply(normed_nd, layout, positions, mask),
        }
    }

    /// What enters attention.
    #[track_caller]
    fn before(&self, x_nd: &Tensor) -> Tensor {
        match &self.attention_norm {
            Some(norm) if self.pre_norm => norm.apply(x_nd),
            _ => x_nd.clone(),
        }
    }

    #[track_caller]
    fn with_attended(&self, x_nd: &Tensor, attended_nd: Tensor) -> Tensor {
        let sum_nd = x_nd + self.scaled(site(&self.sites[0], &attended_nd), 0);
        match &self.attention_norm {
            Some(norm) if !self.pre_norm => norm.apply(&sum_nd),
            _ => sum_nd,
        }
    }

    #[track_caller]
    fn crossed(&self, x_nd: Tensor, call: BlockCall<'_>) -> Tensor {
        match (&self.cross, call.memory) {
            (Some((cross, norm)), Some(memory)) => {
                self.residual(&x_nd, norm, |x| cross.apply_cross(x, call.layout, memory, None))
            }
            _ => x_nd,
        }
    }

    /// Of attention (`part` 0) or feed-forward (1): what is added to the residual.
    #[track_caller]
    fn scaled(&self, added_nd: Tensor, part: usize) -> Tensor {
        match &self.scales {
            Some(scales) => added_nd * scales[part].tensor(),
            None => added_nd,
        }
    }

    #[track_caller]
    fn residual(&self, x: &Tensor, norm: &Norm, part: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        if self.pre_norm { x + part(&norm.apply(x)) } else { norm.apply(&(x + part(x))) }
    }
}
