//! The settings of a `[model.ROLE]` section, and the sizes that follow from them.

use plugin_api::nn::{NormKind, Rotary};
use plugin_api::prelude::*;

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

/// Where a token's position enters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// Added to the embeddings: a learned vector.
    Learned,
    /// Added to the embeddings, which are scaled by √width: Vaswani et al. 2017, sections 3.4 and 3.5.
    Sinusoidal,
    /// Turns queries and keys.
    Rotary(Rotary),
    /// Lowers scores with the distance.
    Alibi,
    /// Nowhere.
    None,
}

impl TransformerSettings {
    /// Refuses settings that do not fit together.
    ///
    /// # Errors
    /// The first misfit, with its numbers.
    pub fn check(&self) -> Result<()> {
        let (width, num_heads) = (self.width, self.num_heads);
        if !width.is_multiple_of(num_heads) {
            return Err(Error::setting("width", format!("is {width}, which {num_heads} heads cannot share evenly"))
                .help(format!("choose a multiple of {num_heads}, or another `num_heads`")));
        }
        let groups = self.key_value_heads();
        if groups == 0 || !num_heads.is_multiple_of(groups) {
            let fact = format!("is {groups}, which does not divide the {num_heads} query heads");
            return Err(Error::setting("num_key_value_heads", fact)
                .help("several query heads share one key and value head: choose a divisor of `num_heads`"));
        }
        if self.ffn_width == Some(0) {
            return Err(Error::setting("ffn_width", "is 0").help("leave it out for the usual multiple of `width`"));
        }
        let head_dim = self.head_dim();
        if self.positions == "rotary" && !head_dim.is_multiple_of(2) {
            return Err(Error::setting(
                "positions",
                format!("is `rotary`, which turns pairs, and a head is {head_dim} wide"),
            )
            .help("make `width / num_heads` even"));
        }
        if self.positions == "sinusoidal" && !width.is_multiple_of(2) {
            let fact = format!("is `sinusoidal`, which needs an even `width`, and that is {width}");
            return Err(Error::setting("positions", fact).help("make `width` even"));
        }
        Ok(())
    }

    /// Width of one head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.width / self.num_heads
    }

    /// Key and value heads.
    #[must_use]
    pub fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_heads)
    }

    /// Width inside the MLP.
    #[must_use]
    pub fn inner_width(&self) -> usize {
        let usual = if self.glu { (8 * self.width).div_ceil(3).next_multiple_of(8) } else { 4 * self.width };
        self.ffn_width.unwrap_or(usual)
    }

    /// Where a token's position enters.
    #[must_use]
    pub fn position_kind(&self) -> Positions {
        match self.positions.as_str() {
            "learned" => Positions::Learned,
            "sinusoidal" => Positions::Sinusoidal,
            "rotary" => Positions::Rotary(Rotary { base: self.rotary_base, ..Rotary::default() }),
            "alibi" => Positions::Alibi,
            _ => Positions::None,
        }
    }

    /// The norm, without a bias where there are none.
    #[must_use]
    pub fn norm_kind(&self) -> NormKind {
        match (self.norm.as_str(), self.bias) {
            ("rms", _) => NormKind::Rms,
            (_, true) => NormKind::Layer,
            (_, false) => NormKind::LayerNoBias,
        }
    }

    /// Whether a norm follows the embeddings.
    #[must_use]
    pub fn has_embedding_norm(&self) -> bool {
        self.embedding_norm.unwrap_or(!self.pre_norm)
    }

    /// Whether the token head has a layer of its own.
    #[must_use]
    pub fn has_head_transform(&self) -> bool {
        self.head_transform.unwrap_or(!self.pre_norm)
    }

    /// The function inside the MLP; the choices of the setting are all known.
    #[must_use]
    pub fn activation(&self) -> Activation {
        Activation::from_name(&self.activation).unwrap_or(Activation::Gelu)
    }

    /// Standard deviation with which layers start that add to the hidden state: with norms before, smaller by the root
    /// of the number of such layers (Radford et al. 2019, section 2.3).
    #[must_use]
    pub fn output_std(&self) -> f64 {
        if self.pre_norm { self.initial_std / (2.0 * self.num_layers as f64).sqrt() } else { self.initial_std }
    }
}
