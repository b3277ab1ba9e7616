//! The settings of a `[model.ROLE]` section.

mod check;
mod derived;
mod resolved;

use plugin_api::prelude::*;

pub use derived::Positions;

/// A transformer over token rows. The defaults are BERT-base: Devlin et al. 2018, arXiv:1810.04805, section 3.
#[derive(Settings, Clone, Debug, PartialEq)]
pub struct TransformerSettings {
    /// Width of the hidden state; a multiple of `num_heads` unless `head_dim` is given.
    #[setting(default = 768, range = 1..=65536)]
    pub width: usize,
    /// Number of blocks.
    #[setting(default = 12, range = 1..=1024)]
    pub num_layers: usize,
    /// Blocks of a decoder that looks at what the others, an encoder, make of another text; 0: none (Vaswani et al.
    /// 2017, section 3.1).
    #[setting(default = 0, range = 0..=1024)]
    pub decoder_layers: usize,
    /// The token that texts of that decoder begin with. Left out: padding.
    pub decoder_start: Option<u32>,
    /// Query heads of a block.
    #[setting(default = 12, range = 1..=1024)]
    pub num_heads: usize,
    /// Key and value heads; must divide `num_heads`. Left out: as many as those (grouped queries: Ainslie et al. 2023).
    pub num_key_value_heads: Option<usize>,
    /// Width of a head. Left out: `width / num_heads`.
    pub head_dim: Option<usize>,
    /// What attention scores are multiplied by. Left out: 1/√ of the width of a head. T5: 1.
    pub score_scale: Option<f64>,
    /// Width inside the MLP. Left out: 4 · `width`, with `glu` 8/3 · `width` rounded up to a multiple of 8.
    pub ffn_width: Option<usize>,
    /// Each token sees only itself and those before it: a decoder.
    #[setting(default = false)]
    pub causal: bool,
    /// Of a causal model: a bit for each of so many equal groups of blocks, the first nearest the input; in the groups
    /// with 1 each token sees all of its text.
    pub causal_groups: Option<String>,
    /// How the model knows where a token stands.
    #[setting(default = "learned", choices = ["learned", "sinusoidal", "rotary", "alibi", "relative", "none"])]
    pub positions: String,
    /// Number of learned positions: the longest sequence the model can read. Others have no such limit.
    #[setting(default = 512, range = 1..=16777216)]
    pub maximum_length: usize,
    /// Vectors before that of the first position, which are never used: RoBERTa has 2.
    #[setting(default = 0, range = 0..=65536)]
    pub position_offset: usize,
    /// With `positions = "relative"`: so many numbers for each head, near distances apart, far ones shared by their
    /// logarithm (Raffel et al. 2020, arXiv:1910.10683, section 2.1).
    #[setting(default = 32, range = 4..=65536)]
    pub bias_buckets: usize,
    /// The distance from which all share the last of them.
    #[setting(default = 128, range = 2..=16777216)]
    pub bias_distance: usize,
    /// Base of the rotary angles (Su et al. 2021, arXiv:2104.09864).
    #[setting(default = 10000.0, range = 1.0..=1e12)]
    pub rotary_base: f64,
    /// Base of the rotary angles in blocks with a window. Left out: `rotary_base`.
    pub local_rotary_base: Option<f64>,
    /// Tokens that a token sees: where `causal` itself and those before it, else half as many on each side and itself
    /// (Beltagy et al. 2020, arXiv:2004.05150). Left out: all.
    pub window: Option<usize>,
    /// With `window`: every so many blocks, from the first on, one sees everything; 0: none does. ModernBERT: 3.
    #[setting(default = 0, range = 0..=1024)]
    pub global_every: usize,
    /// Relative positions in the scores (He et al. 2020, arXiv:2006.03654): the query of a token with the key of the
    /// distance (`c2p`), the key of a token with the query of the distance (`p2c`). Beside `positions`.
    #[setting(default = [], choices = ["c2p", "p2c"])]
    pub relative_terms: Vec<String>,
    /// Vectors for each direction of the distance, far ones shared by its logarithm; 0: one for each distance.
    #[setting(default = 256, range = 0..=65536)]
    pub relative_buckets: usize,
    /// The distance at which the last vector begins.
    #[setting(default = 512, range = 2..=16777216)]
    pub relative_maximum: usize,
    /// Vectors of distances go through the query and key layers of the tokens, instead of layers of their own.
    #[setting(default = true)]
    pub relative_shared: bool,
    /// A norm on the vectors of distances.
    #[setting(default = true)]
    pub relative_norm: bool,
    /// The norm: `layer` (Ba et al. 2016), `plain`, the same without weights, or `rms` (Zhang and Sennrich 2019).
    #[setting(default = "layer", choices = ["layer", "plain", "rms"])]
    pub norm: String,
    /// Norms before attention and MLP, and one at the end (Xiong et al. 2020), instead of after them as in BERT.
    #[setting(default = false)]
    pub pre_norm: bool,
    /// With norms before: the first block has one for attention. ModernBERT: false.
    #[setting(default = true)]
    pub first_norm: bool,
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
    /// A norm without weights inside the MLP, before its last layer (Samuel et al. 2023, arXiv:2303.09859).
    #[setting(default = false)]
    pub mlp_norm: bool,
    /// What the heads give is multiplied by GELU of a gate and normed without weights before the last layer of
    /// attention (Charpentier and Samuel 2024, arXiv:2410.24159).
    #[setting(default = false)]
    pub attention_gate: bool,
    /// After each part of a block a learned weighted sum with what left the embeddings and all earlier parts
    /// (Pagliardini et al. 2024, arXiv:2402.02622); it starts as the newest alone.
    #[setting(default = false)]
    pub aggregate: bool,
    /// Biases in linear layers and norms.
    #[setting(default = true)]
    pub bias: bool,
    /// Biases in attention, where that differs from `bias`.
    pub attention_bias: Option<bool>,
    /// Biases in the MLP, where that differs from `bias`.
    pub mlp_bias: Option<bool>,
    /// A bias in the first layer of the MLP, where that differs from `mlp_bias`.
    pub mlp_first_bias: Option<bool>,
    /// Biases in norms, where that differs from `bias`.
    pub norm_bias: Option<bool>,
    /// A bias in the layers of heads before the last one, where that differs from `bias`.
    pub head_bias: Option<bool>,
    /// A bias for each token in the token head, where that differs from `bias`.
    pub decoder_bias: Option<bool>,
    /// Dropout on embeddings and on what each part of a block adds.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    pub dropout: f64,
    /// Dropout on the attention maps.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    pub attention_dropout: f64,
    /// Number of segment types that have an embedding (BERT: 2); every token is of type 0 unless the input
    /// `token_types` says otherwise.
    #[setting(default = 0, range = 0..=65536)]
    pub token_types: usize,
    /// Width of the embeddings, where that is not `width`; a layer follows them then. ELECTRA-small: 128.
    pub embedding_width: Option<usize>,
    /// Rows of the word embeddings are rounded up to a multiple of this; further rows are no token's. MosaicBERT: 64.
    #[setting(default = 1, range = 1..=65536)]
    pub vocabulary_multiple: usize,
    /// The token head uses the word embeddings (Press and Wolf 2017, arXiv:1608.05859).
    #[setting(default = true)]
    pub tied_head: bool,
    /// The hidden state is divided by √`width` before the token head, as in T5 where that is tied.
    #[setting(default = false)]
    pub scaled_head: bool,
    /// A layer, activation and norm before the token head. Left out: when the norms come after, as in BERT.
    pub head_transform: Option<bool>,
    /// The function in that layer. Left out: `activation`.
    pub head_activation: Option<String>,
    /// A layer before the `classes` head, as BERT has on its first token.
    #[setting(default = false)]
    pub pooler: bool,
    /// The function in that layer.
    #[setting(default = "tanh", choices = ["tanh", "gelu", "gelu_tanh", "relu", "silu"])]
    pub pooler_activation: String,
    /// A norm behind that layer.
    #[setting(default = false)]
    pub pooler_norm: bool,
    /// A layer with `activation` before the `scalar` head, as in ELECTRA's discriminator.
    #[setting(default = false)]
    pub scalar_transform: bool,
    /// The model stays as it is but for low-rank changes of this rank in its attention (Hu et al. 2021,
    /// arXiv:2106.09685); heads learn; 0: all learns.
    #[setting(default = 0, range = 0..=65536)]
    pub lora_rank: usize,
    /// Low-rank changes are multiplied by this divided by their rank.
    #[setting(default = 16.0, range = 0.0..=1e6)]
    pub lora_alpha: f64,
    /// Which layers of attention have low-rank changes.
    #[setting(default = ["query", "value"], choices = ["query", "key", "value", "output"])]
    pub lora_targets: Vec<String>,
    /// Standard deviation with which weights start.
    #[setting(default = 0.02, range = 0.0..=10.0)]
    pub initial_std: f64,
}
