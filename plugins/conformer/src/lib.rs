//! The Conformer: log-mel features, two strided convolutions, blocks of attention and convolution.
//!
//! Gulati et al. 2020, arXiv:2005.08100, section 2, with relative or rotary positions or none. Axes: b sounds,
//! f frames, m bins, c channels, t rows of a sound, n rows, d width.

use plugin_api::nn::{
    AttentionOptions, BlockCall, ConformerBlock, ConformerOptions, Conv2d, Linear, LinearOptions, MlpOptions,
    RelativePositions, RelativePositionsOptions, RelativeTerms, Rotary,
};
use plugin_api::prelude::*;

/// The `[model.ROLE]` section of an experiment file. The defaults are the small model of table 1.
#[derive(Settings, Clone)]
pub struct ConformerSettings {
    /// Width of the hidden state; a multiple of `num_heads`.
    #[setting(default = 144, range = 1..=65536)]
    width: usize,
    /// Number of blocks.
    #[setting(default = 16, range = 1..=1024)]
    num_layers: usize,
    /// Heads of a block.
    #[setting(default = 4, range = 1..=1024)]
    num_heads: usize,
    /// Width inside the feed-forwards. Left out: 4 · `width`.
    ffn_width: Option<usize>,
    /// Length of the depthwise kernel, odd.
    #[setting(default = 31, range = 1..=1023)]
    kernel: usize,
    /// Channels of both strided convolutions. Left out: `width`.
    channels: Option<usize>,
    /// How attention knows where a row stands.
    #[setting(default = "rotary", choices = ["rotary", "relative", "none"])]
    positions: String,
    /// With `relative`, the distance from which on rows are equally far.
    #[setting(default = 64, range = 2..=65536)]
    maximum_distance: usize,
    /// Added to variances in the norms.
    #[setting(default = 1e-5, range = 0.0..=1.0)]
    norm_epsilon: f64,
    /// Dropout on the embedding and on what each part of a block adds.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    dropout: f64,
}

/// One built model.
pub struct Conformer {
    settings: ConformerSettings,
    sounds: Sounds,
    frontend: [Conv2d; 2],
    projection: Linear,
    relative: Option<RelativePositions>,
    blocks: Vec<ConformerBlock>,
}

/// Half as long, rounded up: a kernel of 3, stride 2, padding 1.
const STRIDED: Conv = Conv { stride: 2, padding: 1, dilation: 1, groups: 1, output_padding: 0 };

impl ConformerSettings {
    fn check(&self, sounds: &Sounds) -> Result<()> {
        let Self { width, num_heads, kernel, .. } = *self;
        if !width.is_multiple_of(num_heads) {
            return Err(Error::setting("width", format!("is {width}, which {num_heads} heads cannot share evenly"))
                .help(format!("choose a multiple of {num_heads}, or another `num_heads`")));
        }
        if kernel.is_multiple_of(2) {
            return Err(
                Error::setting("kernel", format!("is {kernel}; an odd one has a middle")).help("add or take one")
            );
        }
        if self.positions == "rotary" && !(width / num_heads).is_multiple_of(2) {
            let fact = format!("is `rotary`, which turns pairs, and a head is {} wide", width / num_heads);
            return Err(Error::setting("positions", fact).help("make `width / num_heads` even"));
        }
        if sounds.frames_per_unit != 4 || !sounds.frames.is_multiple_of(4) {
            let Sounds { frames, frames_per_unit, .. } = *sounds;
            let fact = format!(
                "sounds of {frames} frames have a unit for {frames_per_unit}; the model leaves one row for four"
            );
            return Err(Error::new("plugin/input", fact).help("give a multiple of 4 frames, and a unit for every 4"));
        }
        Ok(())
    }

    fn options(&self) -> ConformerOptions {
        let Self { width, num_heads, dropout, .. } = *self;
        let rotary = (self.positions == "rotary").then(Rotary::default);
        let terms = RelativeTerms { content_to_position: true, ..RelativeTerms::default() };
        let relative = (self.positions == "relative").then_some(terms);
        let attention = AttentionOptions { rotary, relative, dropout, ..AttentionOptions::new(width, num_heads) };
        let usual = ConformerOptions::new(width, num_heads);
        let ffn = self.ffn_width.unwrap_or(4 * width).max(1);
        ConformerOptions {
            attention,
            mlp: MlpOptions { ffn, dropout, ..usual.mlp },
            kernel: self.kernel,
            epsilon: self.norm_epsilon,
            dropout,
            ..usual
        }
    }
}

impl Conformer {
    /// `[n, d]` of the features `[b, f, m]`: two convolutions with ReLU, then a linear layer over channels and bins. A sound has
    /// a multiple of 4 frames; what pads it behind them no row of its own ever sees.
    fn embed(&self, features_bfm: &Tensor, layout: &Layout) -> Result<Tensor> {
        let bins = self.sounds.bins;
        let dims = features_bfm.dims()?;
        let [sounds, frames, _] = dims[..] else {
            return Err(Error::data(format!("`features` have the shape {dims:?}, not [sounds, frames, {bins}]")));
        };
        let dtype = self.frontend[0].weight().tensor().dtype()?;
        let mut x_bcfm = features_bfm.cast(dtype).reshape(&[sounds as i64, 1, frames as i64, bins as i64]);
        for convolution in &self.frontend {
            x_bcfm = convolution.apply(&x_bcfm).relu();
        }
        let features = (self.settings.channels.unwrap_or(self.settings.width) * bins.div_ceil(4)) as i64;
        let rows_btf = x_bcfm.permute(&[0, 2, 1, 3]).reshape(&[sounds as i64, frames.div_ceil(4) as i64, features]);
        let rows_nf = layout.rows(&rows_btf);
        Ok(self.projection.apply(&rows_nf).dropout(self.settings.dropout, Some(layout), "embeddings"))
    }
}

impl ModelFamily for Conformer {
    type Settings = ConformerSettings;

    fn build(settings: ConformerSettings, scope: &Scope) -> Result<Self> {
        let sounds = scope.sounds()?;
        settings.check(&sounds)?;
        let width = settings.width;
        let channels = settings.channels.unwrap_or(width).max(1);
        let convolution =
            |name: &str, inner| Conv2d::new(&scope.at(name), [inner, channels], 3, STRIDED, Init::KaimingUniform);
        let frontend = [convolution("frontend.conv1", 1)?, convolution("frontend.conv2", channels)?];
        let inputs = channels * sounds.bins.div_ceil(4);
        let projection = Linear::new(&scope.at("frontend.projection"), inputs, width, &LinearOptions::new())?;
        let options = settings.options();
        let distances = RelativePositionsOptions {
            buckets: 0,
            maximum: settings.maximum_distance,
            norm: None,
            dropout: 0.0,
            init: Init::Normal(0.02),
        };
        let relative =
            options.attention.relative.map(|_| RelativePositions::new(&scope.at("positions"), width, distances));
        let relative = relative.transpose()?;
        let block = |index: usize| {
            ConformerBlock::new(&scope.at(&format!("layers.{index}")), &format!("layers.{index}"), options)
        };
        let blocks = (0..settings.num_layers).map(block).collect::<Result<_>>()?;
        Ok(Self { settings, sounds, frontend, projection, relative, blocks })
    }

    fn forward(&self, call: &Forward) -> Result<Output> {
        let layout = call.layout();
        let layers = call.layers(self.blocks.len());
        let mut wanted = Vec::new();
        let mut hidden_nd = match (call.hidden(), call.embeddings(), call.input("features")?) {
            (Some(hidden_nd), _, _) => hidden_nd,
            (None, Some(embeddings_nd), _) if layers.start == 0 => embeddings_nd,
            (None, None, Some(features_bfm)) if layers.start == 0 => self.embed(&features_bfm, layout)?,
            (None, None, None) if layers.start == 0 => {
                return Err(call.nothing_to_run().help("give `features`, `embeddings`, or `hidden` for a later layer"));
            }
            _ => return Err(Error::data(format!("layers {layers:?} need the input `hidden`"))),
        };
        if call.wants("embeddings") {
            wanted.push(("embeddings".to_owned(), hidden_nd.clone()));
        }
        let positions_n = (self.settings.positions == "rotary").then(|| layout.positions());
        let relative = self.relative.as_ref().map(|relative| relative.of(layout, None)).transpose()?;
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            let mask = call.mask(index);
            let around = BlockCall::new(layout).positions(positions_n.as_ref()).mask(mask.as_ref());
            hidden_nd = block.apply(&hidden_nd, around.relative(relative.as_ref()))?;
            let name = format!("layers.{index}.output");
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        Ok(wanted.into_iter().fold(Output::new(hidden_nd), |output, (name, tensor)| output.with(name, tensor)))
    }

    fn describe(&self) -> Description {
        Description::new(self.settings.width, self.settings.num_layers)
            .with("modality", "audio")
            .with("input", "features")
            .with("rows", self.sounds.frames / 4)
    }
}

export_plugin! { name: "conformer", provides: [Model<Conformer>] }
