//! Pictures to a few numbers for each patch, and back: what stands around the codes of a learned tokenizer.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::modality::Pictures;
use crate::nn::{
    AttentionOptions, Block, BlockCall, BlockOptions, Linear, LinearOptions, MlpOptions, Norm, NormKind,
    PatchEmbedding, grid_positions, patches,
};
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::Init;

const INIT: Init = Init::XavierUniform;
const EPSILON: f64 = 1e-6;

/// What a [`PatchAutoencoder`] is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchAutoencoderOptions {
    /// Width of hidden states: a multiple of the heads and of 4.
    pub width: usize,
    /// Blocks of the encoder, and as many of the decoder.
    pub num_layers: usize,
    /// Heads of a block.
    pub num_heads: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Numbers of a patch in the middle.
    pub latents: usize,
}

/// An encoder and a decoder of transformer blocks over patches (Yu et al. 2021, arXiv:2110.04627, section 3.1), with fixed
/// positions. Weights: `embed`, `encoder.I.*`, `encoder_norm`, `latents`, `unlatents`, `decoder.I.*`, `decoder_norm`, `pixels`.
pub struct PatchAutoencoder {
    embed: PatchEmbedding,
    encoder: Vec<Block>,
    encoder_norm: Norm,
    latents: Linear,
    unlatents: Linear,
    decoder: Vec<Block>,
    decoder_norm: Norm,
    pixels: Linear,
    /// `[l, width]`.
    positions: Vec<f32>,
    pictures: Pictures,
    options: PatchAutoencoderOptions,
}

impl PatchAutoencoder {
    /// Makes it for pictures of one size.
    ///
    /// # Errors
    /// When heads do not divide the width, patches do not divide the pictures, or a name is taken.
    pub fn new(scope: &Scope, pictures: Pictures, options: PatchAutoencoderOptions) -> Result<Self> {
        let PatchAutoencoderOptions { width, num_layers, num_heads, patch_size, latents } = options;
        if !width.is_multiple_of(num_heads.max(1)) || !width.is_multiple_of(4) {
            let fact = format!("is {width}, which {num_heads} heads and 4 must divide");
            return Err(Error::setting("width", fact).help("choose a multiple of both, or another `num_heads`"));
        }
        let Pictures { height, width: across, channels } = pictures;
        if !height.is_multiple_of(patch_size) || !across.is_multiple_of(patch_size) {
            let fact = format!("is {patch_size}, which does not divide pictures of {height} × {across} pixels");
            return Err(Error::setting("patch_size", fact).help("choose a common divisor of both sides"));
        }
        let block = BlockOptions {
            attention: AttentionOptions { init: INIT, output_init: INIT, ..AttentionOptions::new(width, num_heads) },
            mlp: MlpOptions { init: INIT, output_init: INIT, ..MlpOptions::new(width) },
            epsilon: EPSILON,
            pre_norm: true,
            ..BlockOptions::new(width, num_heads)
        };
        let blocks = |part: &str| {
            let one =
                |index| Block::new(&scope.at(&format!("{part}.{index}")), &format!("{part}.layers.{index}"), block);
            (0..num_layers).map(one).collect::<Result<Vec<_>>>()
        };
        let features = patch_size * patch_size * channels;
        let linear = |name: &str, inputs, outputs| {
            Linear::new(&scope.at(name), inputs, outputs, &LinearOptions::new().init(INIT))
        };
        Ok(Self {
            embed: PatchEmbedding::new(&scope.at("embed"), features, width, INIT)?,
            encoder: blocks("encoder")?,
            encoder_norm: Norm::new(&scope.at("encoder_norm"), width, NormKind::Layer, EPSILON)?,
            latents: linear("latents", width, latents)?,
            unlatents: linear("unlatents", latents, width)?,
            decoder: blocks("decoder")?,
            decoder_norm: Norm::new(&scope.at("decoder_norm"), width, NormKind::Layer, EPSILON)?,
            pixels: linear("pixels", width, features)?,
            positions: grid_positions(height / patch_size, across / patch_size, width),
            pictures,
            options,
        })
    }

    /// Patches of a picture.
    #[must_use]
    pub fn patches(&self) -> usize {
        self.positions.len() / self.options.width
    }

    /// Side of a patch in pixels.
    #[must_use]
    pub fn patch_size(&self) -> usize {
        self.options.patch_size
    }

    /// Of pictures `[b, c, h, w]`: `[b · l, latents]`; each picture is a segment of `layout`.
    ///
    /// # Errors
    /// When a weight cannot be used.
    pub fn encode(&self, pixels_bchw: &Tensor, layout: &Layout) -> Result<Tensor> {
        let Pictures { height, width, channels } = self.pictures;
        let patches_mp = patches(pixels_bchw, [channels, height, width], self.options.patch_size);
        let x_md = self.placed(self.embed.apply(&patches_mp)?)?;
        Ok(self.latents.apply(&self.encoder_norm.apply(&through(&self.encoder, x_md, layout))))
    }

    /// Of `[b · l, latents]` the patches `[b · l, p · p · c]`, in each row, column, channel.
    ///
    /// # Errors
    /// When a tensor cannot be used.
    pub fn decode(&self, latents_mn: &Tensor, layout: &Layout) -> Result<Tensor> {
        let x_md = self.placed(self.unlatents.apply(latents_mn))?;
        Ok(self.pixels.apply(&self.decoder_norm.apply(&through(&self.decoder, x_md, layout))))
    }

    fn placed(&self, x_md: Tensor) -> Result<Tensor> {
        let width = self.options.width;
        let positions_1ld = Tensor::new(&self.positions, &[1, self.patches(), width]).cast(x_md.dtype()?);
        let x_bld = x_md.reshape(&[-1, self.patches() as i64, width as i64]) + positions_1ld;
        Ok(x_bld.reshape(&[-1, width as i64]))
    }
}

#[track_caller]
fn through(blocks: &[Block], x_md: Tensor, layout: &Layout) -> Tensor {
    blocks.iter().fold(x_md, |x_md, block| block.apply(&x_md, BlockCall::new(layout)))
}
