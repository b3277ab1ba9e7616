//! What follows from the settings: sizes, kinds, what was left out.

use plugin_api::nn::{LowRank, NormKind, RelativePositionsOptions, RelativeTerms, Rotary};
use plugin_api::prelude::*;

use super::TransformerSettings;

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
    /// Adds a learned number for each head and bucket of distances to scores.
    Relative,
    /// Nowhere.
    None,
}

impl TransformerSettings {
    /// Width of one head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.width / self.num_heads)
    }

    /// Key and value heads.
    #[must_use]
    pub fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_heads)
    }

    /// Width of the embeddings.
    #[must_use]
    pub fn embedding_width(&self) -> usize {
        self.embedding_width.unwrap_or(self.width)
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
            "relative" => Positions::Relative,
            _ => Positions::None,
        }
    }

    /// The norm, without a bias where there are none.
    #[must_use]
    pub fn norm_kind(&self) -> NormKind {
        match (self.norm.as_str(), self.norm_bias.unwrap_or(self.bias)) {
            ("rms", _) => NormKind::Rms,
            ("plain", _) => NormKind::LayerPlain,
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

    /// Biases in attention.
    #[must_use]
    pub fn attention_bias(&self) -> bool {
        self.attention_bias.unwrap_or(self.bias)
    }

    /// Biases in the MLP.
    #[must_use]
    pub fn mlp_bias(&self) -> bool {
        self.mlp_bias.unwrap_or(self.bias)
    }

    /// A bias in the first layer of the MLP.
    #[must_use]
    pub fn mlp_first_bias(&self) -> bool {
        self.mlp_first_bias.unwrap_or(self.mlp_bias())
    }

    /// A bias in the layers of heads before the last one.
    #[must_use]
    pub fn head_bias(&self) -> bool {
        self.head_bias.unwrap_or(self.bias)
    }

    /// A bias for each token in the token head.
    #[must_use]
    pub fn decoder_bias(&self) -> bool {
        self.decoder_bias.unwrap_or(self.bias)
    }

    /// The function in the layer before the token head.
    #[must_use]
    pub fn head_activation(&self) -> Activation {
        self.head_activation.as_deref().and_then(Activation::from_name).unwrap_or_else(|| self.activation())
    }

    /// Whether block `index` has a window.
    #[must_use]
    pub fn is_local(&self, index: usize) -> bool {
        self.window.is_some() && (self.global_every == 0 || !index.is_multiple_of(self.global_every))
    }

    /// What block `index` shows each token by its window, before and after it; `None`: all.
    #[must_use]
    pub fn window_of(&self, index: usize, causal: bool) -> Option<(usize, usize)> {
        let window = self.window.filter(|_| self.is_local(index))?;
        Some(if causal { (window.saturating_sub(1), 0) } else { (window / 2, window / 2) })
    }

    /// Whether tokens see only what came before in block `index`.
    #[must_use]
    pub fn is_causal(&self, index: usize) -> bool {
        let open = self.causal_groups.as_deref().is_some_and(|bits| {
            let per_group = self.num_layers / bits.len().max(1);
            bits.as_bytes().get(index / per_group.max(1)) == Some(&b'1')
        });
        self.causal && !open
    }

    /// Whether tokens see only what came before in all blocks.
    #[must_use]
    pub fn all_causal(&self) -> bool {
        (0..self.num_layers).all(|index| self.is_causal(index))
    }

    /// The rotary positions of block `index`.
    #[must_use]
    pub fn rotary_of(&self, index: usize) -> Option<Rotary> {
        let Positions::Rotary(rotary) = self.position_kind() else { return None };
        let local = self.local_rotary_base.filter(|_| self.is_local(index));
        Some(Rotary { base: local.unwrap_or(rotary.base), ..rotary })
    }

    /// The relative positions of the scores, where there are any.
    #[must_use]
    pub fn relative_terms(&self) -> Option<RelativeTerms> {
        let has = |term: &str| self.relative_terms.iter().any(|given| given == term);
        (!self.relative_terms.is_empty()).then(|| RelativeTerms {
            content_to_position: has("c2p"),
            position_to_content: has("p2c"),
            shared: self.relative_shared,
        })
    }

    /// The vectors of relative positions.
    #[must_use]
    pub fn relative_options(&self) -> RelativePositionsOptions {
        // Where norms have no weights, that of the distances has: its vectors are weights of one scale.
        let kind = if self.norm == "plain" { NormKind::Layer } else { self.norm_kind() };
        RelativePositionsOptions {
            buckets: self.relative_buckets,
            maximum: self.relative_maximum,
            norm: self.relative_norm.then_some((kind, self.norm_epsilon)),
            dropout: self.dropout,
            init: Init::Normal(self.initial_std),
        }
    }

    /// The low-rank changes of query, key, value and output.
    #[must_use]
    pub fn low_rank(&self) -> [Option<LowRank>; 4] {
        let rank = self.lora_rank;
        ["query", "key", "value", "output"].map(|layer| {
            let chosen = rank > 0 && self.lora_targets.iter().any(|target| target == layer);
            chosen.then(|| LowRank { rank, scale: self.lora_alpha / rank as f64 })
        })
    }

    /// Standard deviation with which layers start that add to the hidden state: with norms before, smaller by the root
    /// of the number of such layers (Radford et al. 2019, section 2.3).
    #[must_use]
    pub fn output_std(&self) -> f64 {
        if self.pre_norm { self.initial_std / (2.0 * self.num_layers as f64).sqrt() } else { self.initial_std }
    }
}
