//! The settings of a `[model.ROLE]` section.

use plugin_api::nn::{AttentionNames, AttentionOptions, Block, BlockNames, BlockOptions, MlpOptions};
use plugin_api::prelude::*;

/// A speech encoder on the raw wave. The defaults are those of the base models: Baevski et al. 2020, arXiv:2006.11477, section 4.2.
#[derive(Settings, Clone, PartialEq)]
pub struct Wav2VecSettings {
    /// Width of the hidden state; a multiple of `num_heads` and of `position_groups`.
    #[setting(default = 768, range = 1..=65536)]
    pub width: usize,
    /// Number of blocks.
    #[setting(default = 12, range = 1..=1024)]
    pub num_layers: usize,
    /// Heads of a block.
    #[setting(default = 12, range = 1..=1024)]
    pub num_heads: usize,
    /// Width inside the feed-forward. Left out: 4 · `width`.
    pub ffn_width: Option<usize>,
    /// Channels of each convolution of the front end.
    #[setting(default = 512, range = 1..=65536)]
    pub channels: usize,
    /// Samples that each convolution looks at.
    #[setting(default = [10, 3, 3, 3, 3, 2, 2], range = 1..=65536)]
    pub kernels: Vec<usize>,
    /// Steps of each convolution; their product is `data.audio.frames_per_unit`, 320 samples of 20 ms at 16 kHz.
    #[setting(default = [5, 2, 2, 2, 2, 2, 2], range = 1..=65536)]
    pub strides: Vec<usize>,
    /// Biases of these convolutions.
    #[setting(default = false)]
    pub conv_bias: bool,
    /// Norms of these convolutions: of each channel of the first one over the sound (`group`, the base models), or over the channels
    /// after every one (`layer`, the large models).
    #[setting(default = "group", choices = ["group", "layer"])]
    pub conv_norm: String,
    /// A norm before the projection to `width`.
    #[setting(default = true)]
    pub projection_norm: bool,
    /// Rows that the convolution for positions looks at.
    #[setting(default = 128, range = 1..=4096)]
    pub position_kernel: usize,
    /// Groups of its channels.
    #[setting(default = 16, range = 1..=4096)]
    pub position_groups: usize,
    /// Norms before attention and feed-forward, and one after the last block (the large models), instead of after each and one before
    /// the first block (the base models).
    #[setting(default = false)]
    pub pre_norm: bool,
    /// The published architecture that an export is written as; it changes nothing else.
    #[setting(default = "hubert", choices = ["hubert", "wav2vec2"])]
    pub published: String,
    /// The function inside the feed-forward.
    #[setting(default = "gelu", choices = ["gelu", "gelu_tanh", "relu", "silu"])]
    pub activation: String,
    /// Added to variances in the norms.
    #[setting(default = 1e-5, range = 0.0..=1.0)]
    pub norm_epsilon: f64,
    /// Dropout on embeddings and on what each part of a block adds.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    pub dropout: f64,
    /// Dropout on attention maps.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    pub attention_dropout: f64,
}

const NAMES: BlockNames<'static> = BlockNames {
    attention: AttentionNames {
        query: "attention.q_proj",
        key: "attention.k_proj",
        value: "attention.v_proj",
        output: "attention.out_proj",
        ..AttentionNames::USUAL
    },
    attention_norm: "layer_norm",
    cross: AttentionNames::USUAL,
    cross_norm: "cross_norm",
    mlp: ["feed_forward.intermediate_dense", "feed_forward.output_dense"],
    mlp_norm: "final_layer_norm",
};

impl Wav2VecSettings {
    /// Refuses settings that do not fit each other or the sounds.
    ///
    /// # Errors
    /// The first misfit, with its numbers.
    pub fn check(&self, sounds: &Sounds) -> Result<()> {
        let Self { width, num_heads, position_groups, .. } = *self;
        if !width.is_multiple_of(num_heads) {
            return Err(Error::setting("width", format!("is {width}, which {num_heads} heads cannot share evenly"))
                .help(format!("choose a multiple of {num_heads}, or another `num_heads`")));
        }
        if !width.is_multiple_of(position_groups) {
            let fact = format!("is {position_groups}, which does not divide the width, {width}");
            return Err(Error::setting("position_groups", fact).help("choose a divisor of `width`"));
        }
        if self.ffn_width == Some(0) {
            return Err(Error::setting("ffn_width", "is 0").help("leave it out for 4 times `width`"));
        }
        if self.kernels.is_empty() || self.kernels.len() != self.strides.len() {
            let fact = format!("has {} numbers and `strides` has {}", self.kernels.len(), self.strides.len());
            return Err(
                Error::setting("kernels", fact).help("give one of each for every convolution, and one at least")
            );
        }
        if self.hop() != sounds.frames_per_unit {
            let (hop, given) = (self.hop(), sounds.frames_per_unit);
            let fact = format!("leaves a row for {hop} frames, and the sounds have one for {given}");
            return Err(Error::setting("strides", fact).help(format!("set `data.audio.frames_per_unit = {hop}`")));
        }
        Ok(())
    }

    /// Frames from one row to the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.strides.iter().product()
    }

    /// Frames that a row looks at.
    #[must_use]
    pub fn field(&self) -> usize {
        let layers = self.kernels.iter().zip(&self.strides).rev();
        layers.fold(1, |field, (kernel, stride)| (field - 1) * stride + kernel)
    }

    /// Width inside the feed-forward.
    #[must_use]
    pub fn inner_width(&self) -> usize {
        self.ffn_width.unwrap_or(4 * self.width)
    }

    /// Block `index`, its weights below `scope`.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn block(&self, index: usize, scope: &Scope) -> Result<Block> {
        let dropout = self.dropout;
        let attention = AttentionOptions {
            dropout,
            map_dropout: self.attention_dropout,
            ..AttentionOptions::new(self.width, self.num_heads)
        };
        let activation = Activation::from_name(&self.activation).unwrap_or(Activation::Gelu);
        let mlp = MlpOptions { ffn: self.inner_width(), activation, dropout, ..MlpOptions::new(self.width) };
        let options = BlockOptions {
            attention,
            mlp,
            epsilon: self.norm_epsilon,
            pre_norm: self.pre_norm,
            ..BlockOptions::new(self.width, self.num_heads)
        };
        Block::named(&scope.at(&index.to_string()), &format!("layers.{index}"), &NAMES, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_front_end_sees_25_milliseconds_every_20() {
        let settings = Wav2VecSettings::from_json(&plugin_api::json!({})).expect("defaults");
        assert_eq!((settings.hop(), settings.field()), (320, 400));
    }
}
