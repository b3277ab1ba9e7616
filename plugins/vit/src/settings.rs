//! The settings of a `[model.ROLE]` section.

use plugin_api::nn::{AttentionNames, AttentionOptions, Block, BlockNames, BlockOptions, MlpOptions, NormKind};
use plugin_api::prelude::*;

/// A vision transformer. The defaults are ViT-B/16: Dosovitskiy et al. 2020, arXiv:2010.11929, table 1.
#[derive(Settings, Clone)]
pub struct VitSettings {
    /// Width of the hidden state; a multiple of `num_heads`, with fixed positions of 4.
    #[setting(default = 768, range = 4..=65536)]
    pub width: usize,
    /// Number of blocks.
    #[setting(default = 12, range = 1..=1024)]
    pub num_layers: usize,
    /// Heads of a block.
    #[setting(default = 12, range = 1..=1024)]
    pub num_heads: usize,
    /// Width inside the MLP. Left out: 4 · `width`.
    pub ffn_width: Option<usize>,
    /// Side of a patch in pixels; divides both sides of the pictures.
    #[setting(default = 16, range = 1..=4096)]
    pub patch_size: usize,
    /// How the model knows where a patch stands: a learned vector, or fixed sines and cosines of column and row.
    #[setting(default = "learned", choices = ["learned", "sincos"])]
    pub positions: String,
    /// A learned row before the patches.
    #[setting(default = true)]
    pub class_token: bool,
    /// Added to variances in the norms.
    #[setting(default = 1e-6, range = 0.0..=1.0)]
    pub norm_epsilon: f64,
    /// Dropout on embeddings and on what each part of a block adds.
    #[setting(default = 0.0, range = 0.0..=0.9)]
    pub dropout: f64,
    /// How matrices start: normal with deviation 0.02, or uniform by their sides (Glorot and Bengio 2010).
    #[setting(default = "normal", choices = ["normal", "xavier"])]
    pub initial: String,
}

const NAMES: BlockNames<'static> = BlockNames {
    attention: AttentionNames {
        query: "attention.attention.query",
        key: "attention.attention.key",
        value: "attention.attention.value",
        output: "attention.output.dense",
        ..AttentionNames::USUAL
    },
    attention_norm: "layernorm_before",
    cross: AttentionNames::USUAL,
    cross_norm: "layernorm_cross",
    mlp: ["intermediate.dense", "output.dense"],
    mlp_norm: "layernorm_after",
};

impl VitSettings {
    /// Refuses settings that do not fit each other or the pictures.
    ///
    /// # Errors
    /// The first misfit, with its numbers.
    pub fn check(&self, pictures: &Pictures) -> Result<()> {
        let Self { width, num_heads, patch_size, .. } = *self;
        if !width.is_multiple_of(num_heads) {
            return Err(Error::setting("width", format!("is {width}, which {num_heads} heads cannot share evenly"))
                .help(format!("choose a multiple of {num_heads}, or another `num_heads`")));
        }
        if self.positions == "sincos" && !width.is_multiple_of(4) {
            let fact = format!("is `sincos`, which needs a `width` that 4 divides, and that is {width}");
            return Err(Error::setting("positions", fact).help("choose a multiple of 4, or learned positions"));
        }
        if self.ffn_width == Some(0) {
            return Err(Error::setting("ffn_width", "is 0").help("leave it out for 4 times `width`"));
        }
        let Pictures { height, width, .. } = *pictures;
        if !height.is_multiple_of(patch_size) || !width.is_multiple_of(patch_size) {
            let fact = format!("is {patch_size}, which does not divide pictures of {height} × {width} pixels");
            return Err(Error::setting("patch_size", fact).help("choose a common divisor of both sides"));
        }
        Ok(())
    }

    /// How matrices start.
    #[must_use]
    pub fn init(&self) -> Init {
        if self.initial == "xavier" { Init::XavierUniform } else { Init::Normal(0.02) }
    }

    /// Block `index`, its weights below `scope`.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn block(&self, index: usize, scope: &Scope) -> Result<Block> {
        let (init, output_init, dropout) = (self.init(), self.init(), self.dropout);
        let attention =
            AttentionOptions { init, output_init, dropout, ..AttentionOptions::new(self.width, self.num_heads) };
        let ffn = self.ffn_width.unwrap_or(4 * self.width);
        let mlp = MlpOptions { ffn, init, output_init, dropout, ..MlpOptions::new(self.width) };
        let options = BlockOptions {
            attention,
            mlp,
            norm: NormKind::Layer,
            epsilon: self.norm_epsilon,
            pre_norm: true,
            ..BlockOptions::new(self.width, self.num_heads)
        };
        Block::named(&scope.at(&index.to_string()), &format!("layers.{index}"), &NAMES, options)
    }
}
