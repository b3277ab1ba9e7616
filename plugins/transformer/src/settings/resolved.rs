//! Settings in one form, to tell whether two instances compute the same.

use plugin_api::nn::NormKind;

use super::{Positions, TransformerSettings};

impl TransformerSettings {
    /// The same with everything that was left out filled in, and with what has no effect on what a trained instance
    /// computes at its default: rates of dropout, how weights start, what learns, numbers of what is not there.
    pub(crate) fn resolved(&self) -> Self {
        let learned = self.position_kind() == Positions::Learned;
        let rotary = matches!(self.position_kind(), Positions::Rotary(_));
        let biased = self.position_kind() == Positions::Relative;
        let relative = !self.relative_terms.is_empty();
        let mut relative_terms = self.relative_terms.clone();
        relative_terms.sort();
        Self {
            head_dim: Some(self.head_dim()),
            num_key_value_heads: Some(self.key_value_heads()),
            ffn_width: Some(self.inner_width()),
            embedding_norm: Some(self.has_embedding_norm()),
            head_transform: Some(self.has_head_transform()),
            head_activation: self.has_head_transform().then(|| self.head_activation().name().to_owned()),
            // Of the layer behind narrower embeddings alone.
            bias: self.bias || self.embedding_width() == self.width,
            attention_bias: Some(self.attention_bias()),
            mlp_bias: Some(self.mlp_bias()),
            mlp_first_bias: Some(self.mlp_first_bias()),
            norm_bias: Some(self.norm_kind() == NormKind::Layer),
            head_bias: Some(self.head_bias()),
            decoder_bias: Some(self.decoder_bias()),
            maximum_length: if learned { self.maximum_length } else { 1 },
            position_offset: if learned { self.position_offset } else { 0 },
            rotary_base: if rotary { self.rotary_base } else { 1.0 },
            local_rotary_base: self.local_rotary_base.or(Some(self.rotary_base)).filter(|_| rotary),
            bias_buckets: if biased { self.bias_buckets } else { 0 },
            bias_distance: if biased { self.bias_distance } else { 0 },
            relative_terms,
            relative_buckets: if relative { self.relative_buckets } else { 0 },
            relative_maximum: if relative { self.relative_maximum } else { 0 },
            relative_shared: relative && self.relative_shared,
            relative_norm: relative && self.relative_norm,
            vocabulary_multiple: 1,
            dropout: 0.0,
            attention_dropout: 0.0,
            initial_std: 0.0,
            lora_rank: 0,
            lora_alpha: 0.0,
            lora_targets: Vec::new(),
            ..self.clone()
        }
    }
}
