//! The settings of a `[model.ROLE]` section.

use plugin_api::nn::{AttentionNames, AttentionOptions, Block, BlockNames, BlockOptions, MlpOptions, NormKind};
use plugin_api::prelude::*;

/// A vision transformer. The defaults are ViT-B/16: Dosovitskiy et al. 2020, arXiv:2010.11929, table 1.
#[derive(Settings, Clone, PartialEq)]
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
    /// How the model knows where a patch stands: a learned vector; fixed sines and cosines of column and row; `fixed`, vectors
    /// that come with the weights and stay as they are; or nothing at the input.
    #[setting(default = "learned", choices = ["learned", "sincos", "fixed", "none"])]
    pub positions: String,
    /// A learned bias of attention for each offset in rows and columns: one for each block, or one that all share (Bao et al.
    /// 2021, arXiv:2106.08254).
    #[setting(default = "none", choices = ["none", "each", "shared"])]
    pub relative_bias: String,
    /// A learned row before the patches.
    #[setting(default = true)]
    pub class_token: bool,
    /// A learned vector that stands in for hidden patches, which objectives like `simmim` and `beit` need.
    #[setting(default = false)]
    pub mask_token: bool,
    /// Codes that stand for patches in the place of pixels, each with a learned vector (Chang et al. 2022, arXiv:2202.04200); 0 reads
    /// pixels.
    #[setting(default = 0, range = 0..=16777216)]
    pub codes: usize,
    /// Labels that pictures may have, each with a learned vector that is added to the class token, and one more for none; 0 knows
    /// nothing of labels.
    #[setting(default = 0, range = 0..=16777216)]
    pub labels: usize,
    /// What each part of a block adds is multiplied by learned factors that start here; 0 for none (Touvron et al. 2021,
    /// arXiv:2103.17239).
    #[setting(default = 0.0, range = 0.0..=10.0)]
    pub layer_scale: f64,
    /// Biases of the keys in attention.
    #[setting(default = true)]
    pub key_bias: bool,
    /// A norm after the last block. Without it one stands in front of the head for classes, which reads means of patches then.
    #[setting(default = true)]
    pub final_norm: bool,
    /// A norm in front of the head for tokens.
    #[setting(default = false)]
    pub head_norm: bool,
    /// The function inside the MLP.
    #[setting(default = "gelu", choices = ["gelu", "gelu_tanh", "relu", "silu"])]
    pub activation: String,
    /// Added to variances in the norms.
    #[setting(default = 1e-6, range = 0.0..=1.0)]
    pub norm_epsilon: f64,
    /// Dropout on embeddings and on what each part of a block adds.
    #[setting(default = 0.0, range = 0.0..=0.9)]
    pub dropout: f64,
    /// Dropout on attention maps.
    #[setting(default = 0.0, range = 0.0..=0.9)]
    pub attention_dropout: f64,
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
        if self.labels > 0 && !self.class_token {
            let fact = format!("is {}, and there is no class token that their vectors could be added to", self.labels);
            return Err(Error::setting("labels", fact).help("set `class_token = true`"));
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

    /// Width inside the MLP.
    #[must_use]
    pub fn inner_width(&self) -> usize {
        self.ffn_width.unwrap_or(4 * self.width)
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
        let attention = AttentionOptions {
            init,
            output_init,
            dropout,
            map_dropout: self.attention_dropout,
            key_bias: Some(self.key_bias),
            ..AttentionOptions::new(self.width, self.num_heads)
        };
        let activation = Activation::from_name(&self.activation).unwrap_or(Activation::Gelu);
        let ffn = self.inner_width();
        let mlp = MlpOptions { ffn, activation, init, output_init, dropout, ..MlpOptions::new(self.width) };
        let options = BlockOptions {
            attention,
            mlp,
            norm: NormKind::Layer,
            epsilon: self.norm_epsilon,
            pre_norm: true,
            layer_scale: (self.layer_scale > 0.0).then_some(self.layer_scale),
            ..BlockOptions::new(self.width, self.num_heads)
        };
        Block::named(&scope.at(&index.to_string()), &format!("layers.{index}"), &NAMES, options)
    }
}
