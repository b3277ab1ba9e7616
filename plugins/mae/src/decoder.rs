//! The decoder: all patches at a small width, those that were hidden as one learned vector.

use plugin_api::nn::{
    AttentionOptions, Block, BlockCall, BlockOptions, LayerNorm, Linear, LinearOptions, MlpOptions, NormKind,
    grid_positions,
};
use plugin_api::prelude::*;

use crate::MaeSettings;
use crate::masking::Grid;

const EPSILON: f64 = 1e-6;
const INIT: Init = Init::XavierUniform;

/// He et al. 2021, section 3. Weights: `decoder_embed`, `mask_token`, `decoder_blocks.I`, `decoder_norm`, `decoder_pred`.
pub(crate) struct Decoder {
    embed: Linear,
    mask_token: Weight,
    blocks: Vec<Block>,
    norm: LayerNorm,
    predict: Linear,
    /// `[1, t, d]` for the t rows of a picture: zeros for a class token, then the grid.
    positions: Vec<f32>,
    width: usize,
}

impl Decoder {
    /// Makes it for hidden rows of `encoder_width`; with a class token before the patches where `class_token`.
    pub(crate) fn new(
        settings: &MaeSettings,
        encoder_width: usize,
        grid: Grid,
        class_token: bool,
        scope: &Scope,
    ) -> Result<Self> {
        let MaeSettings { decoder_width: width, decoder_layers, decoder_heads, .. } = *settings;
        if !width.is_multiple_of(decoder_heads) || !width.is_multiple_of(4) {
            return Err(Error::setting(
                "decoder_width",
                format!("is {width}, which {decoder_heads} heads and 4 must divide"),
            )
            .help("choose a multiple of both, or another `decoder_heads`"));
        }
        let linear = LinearOptions::new().init(INIT);
        let options = BlockOptions {
            attention: AttentionOptions {
                init: INIT,
                output_init: INIT,
                ..AttentionOptions::new(width, decoder_heads)
            },
            mlp: MlpOptions { init: INIT, output_init: INIT, ..MlpOptions::new(width) },
            norm: NormKind::Layer,
            epsilon: EPSILON,
            pre_norm: true,
            ..BlockOptions::new(width, decoder_heads)
        };
        let block = |index: usize| {
            Block::new(&scope.at(&format!("decoder_blocks.{index}")), &format!("decoder.layers.{index}"), options)
        };
        let class_rows = usize::from(class_token);
        let mut positions = vec![0.0; class_rows * width];
        positions.extend(grid_positions(grid.rows, grid.columns, width));
        let vector = WeightOptions::new().no_decay();
        Ok(Self {
            embed: Linear::new(&scope.at("decoder_embed"), encoder_width, width, &linear)?,
            mask_token: scope.weight_with("mask_token", &[1, width], Init::Normal(0.02), &vector)?,
            blocks: (0..decoder_layers).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(&scope.at("decoder_norm"), width, true, EPSILON)?,
            predict: Linear::new(&scope.at("decoder_pred"), width, grid.features(), &linear)?,
            positions,
            width,
        })
    }

    /// Of the encoder's rows: the pixels of the hidden patches `[c, patch]`. `unshuffle` `[n]` says for each row of `layout`
    /// which encoder row stands there, the one past the last for the mask token; `hidden` `[c]` are the rows to predict.
    pub(crate) fn apply(
        &self,
        encoded_md: &Tensor,
        unshuffle: &Tensor,
        hidden: &Tensor,
        layout: &Layout,
    ) -> Result<Tensor> {
        let width = self.width as i64;
        let known_me = self.embed.apply(encoded_md);
        let known_me = Tensor::cat(&[known_me, self.mask_token.tensor()], 0);
        let rows = self.positions.len() / self.width;
        let positions_te = Tensor::new(&self.positions, &[1, rows, self.width]).cast(known_me.dtype()?);
        let all_bte = known_me.index_select(0, unshuffle).reshape(&[-1, rows as i64, width]);
        let mut x_ne = (all_bte + positions_te).reshape(&[-1, width]);
        for block in &self.blocks {
            x_ne = block.apply(&x_ne, BlockCall::new(layout));
        }
        // No loss looks at the other rows.
        Ok(self.predict.apply(&self.norm.apply(&x_ne.index_select(0, hidden))))
    }
}
