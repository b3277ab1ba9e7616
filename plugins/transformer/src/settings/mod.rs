//! The settings of a `[model.ROLE]` section.

mod check;
mod derived;

use plugin_api::prelude::*;

pub use derived::Positions;

/// A transformer over token rows. The defaults are BERT-base: Devlin et al. 2018, arXiv:1810.04805, section 3.
#[derive(Settings, Clone)]
pub struct TransformerSettings {
    /// Width of the hidden state; a multiple of `num_heads`.
    #[setting(default = 768, range = 1..=65536)]
    pub width: usize,
    /// Number of blocks.
    #[setting(default = 12, range = 1..=1024)]
    pub num_layers: usize,
    /// Query heads of a block.
    #[setting(default = 12, range = 1..=1024)]
    pub num_heads: usize,
    /// Key and value heads; must divide `num_heads`. Left out: as many as those (grouped queries: Ainslie et al. 2023).
    pub num_key_value_heads: Option<usize>,
    /// Width inside the MLP. Left out: 4 · `width`, with `glu` 8/3 · `width` rounded up to a multiple of 8.
    pub ffn_width: Option<usize>,
    /// Each token sees only itself and those before it: a decoder.
    #[setting(default = false)]
    pub causal: bool,
    /// How the model knows where a token stands.
    #[setting(default = "learned", choices = ["learned", "sinusoidal", "rotary", "alibi", "none"])]
    pub positions: String,
    /// Number of learned positions: the longest sequence the model can read. Others have no such limit.
    #[setting(default = 512, range = 1..=16777216)]
    pub maximum_length: usize,
    /// Base of the rotary angles (Su et al. 2021, arXiv:2104.09864).
    #[setting(default = 10000.0, range = 1.0..=1e12)]
    pub rotary_base: f64,
    /// The norm: `layer` (Ba et al. 2016) or `rms` (Zhang and Sennrich 2019).
    #[setting(default = "layer", choices = ["layer", "rms"])]
    pub norm: String,
    /// Norms before attention and MLP, and one at the end (Xiong et al. 2020), instead of after them as in BERT.
    #[setting(default = false)]
    pub pre_norm: bool,
    /// A norm after the embeddings. Left out: when the norms come after, as in BERT.
    pub embedding_norm: Option<bool>,
    /// Added to variances in the norms.
    #[setting(default = 1e-12, range = 0.0..=1.0)]
    pub norm_epsilon: f64,
    /// The function inside the MLP.
    #[setting(default = "gelu", choices = ["gelu", "gelu_tanh", "relu", "silu"])]
    pub activation: String,
    /// A gated MLP (Shazeer 2020, arXiv:2002.05202).
    #[setting(default = false)]
    pub glu: bool,
    /// Biases in linear layers and norms.
    #[setting(default = true)]
    pub bias: bool,
    /// Dropout on embeddings and on what each part of a block adds.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    pub dropout: f64,
    /// Dropout on the attention maps.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    pub attention_dropout: f64,
    /// Number of segment types that have an embedding (BERT: 2); every token is of type 0 unless the input `token_types` says otherwise.
    #[setting(default = 0, range = 0..=65536)]
    pub token_types: usize,
    /// The token head uses the word embeddings (Press and Wolf 2017, arXiv:1608.05859).
    #[setting(default = true)]
    pub tied_head: bool,
    /// A layer, activation and norm before the token head. Left out: when the norms come after, as in BERT.
    pub head_transform: Option<bool>,
    /// A tanh layer before the `classes` head, as BERT has on its first token.
    #[setting(default = false)]
    pub pooler: bool,
    /// Standard deviation with which weights start.
    #[setting(default = 0.02, range = 0.0..=10.0)]
    pub initial_std: f64,
}
