//! What follows from the settings: sizes, kinds, what was left out.

use plugin_api::nn::{NormKind, Rotary};
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
    /// Nowhere.
    None,
}

impl TransformerSettings {
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
