//! Speech encoders on the raw wave: strided convolutions and a transformer, as wav2vec 2.0 and HuBERT have them.
//!
//! Baevski et al. 2020, arXiv:2006.11477; Hsu et al. 2021, arXiv:2106.07447. Weights have the names of Hugging Face's Wav2Vec2 and
//! Hubert. Axes: b sounds, s samples, n rows, c channels, d width.

mod frontend;
mod huggingface;
mod positions;
mod settings;

use plugin_api::nn::{Block, BlockCall, Linear, LinearOptions, Norm, NormKind};
use plugin_api::prelude::*;

use frontend::Frontend;
use positions::Positions;
pub use settings::Wav2VecSettings;

/// One built model.
pub struct Wav2Vec {
    settings: Wav2VecSettings,
    sounds: Sounds,
    frontend: Frontend,
    projection_norm: Option<Norm>,
    projection: Linear,
    positions: Positions,
    norm: Norm,
    blocks: Vec<Block>,
}

impl ModelFamily for Wav2Vec {
    type Settings = Wav2VecSettings;

    fn build(settings: Wav2VecSettings, scope: &Scope) -> Result<Self> {
        let sounds = scope.sounds()?;
        settings.check(&sounds)?;
        let (channels, width, epsilon) = (settings.channels, settings.width, settings.norm_epsilon);
        let norm = |at: &str, width| Norm::new(&scope.at(at), width, NormKind::Layer, epsilon);
        let at = "feature_projection.layer_norm";
        let layers = scope.at("encoder.layers");
        Ok(Self {
            frontend: Frontend::new(&settings, sounds.bins, &scope.at("feature_extractor"))?,
            projection_norm: settings.projection_norm.then(|| norm(at, channels)).transpose()?,
            projection: Linear::new(
                &scope.at("feature_projection.projection"),
                channels,
                width,
                &LinearOptions::new(),
            )?,
            positions: Positions::new(&settings, &scope.at("encoder.pos_conv_embed.conv"))?,
            norm: norm("encoder.layer_norm", width)?,
            blocks: (0..settings.num_layers).map(|index| settings.block(index, &layers)).collect::<Result<_>>()?,
            settings,
            sounds,
        })
    }

    /// `embeddings` are rows before positions are added to them, where masked ones are replaced.
    fn forward(&self, call: &Forward) -> Result<Output> {
        let layout = call.layout();
        let layers = call.layers(self.blocks.len());
        let mut wanted = Vec::new();
        let embedded = match (call.hidden(), call.embeddings(), call.input("features")?) {
            (Some(_), _, _) => None,
            (None, Some(embeddings_nd), _) if layers.start == 0 => Some(embeddings_nd),
            (None, None, Some(waves_bsm)) if layers.start == 0 => Some(self.embed(&waves_bsm, layout)?),
            (None, None, None) if layers.start == 0 => {
                return Err(call.nothing_to_run().help("give `features`, `embeddings`, or `hidden` for a later layer"));
            }
            _ => return Err(Error::data(format!("layers {layers:?} need the input `hidden`"))),
        };
        let mut hidden_nd = match (call.hidden(), &embedded) {
            // No block runs: the rows as they are before positions, for those who replace some.
            (None, Some(embedded_nd)) if layers.end == 0 => embedded_nd.clone(),
            (None, Some(embedded_nd)) => self.placed(embedded_nd, layout)?,
            (Some(hidden_nd), _) => hidden_nd,
            (None, None) => return Err(call.nothing_to_run()),
        };
        if call.wants("embeddings") {
            wanted.push(("embeddings".to_owned(), embedded.unwrap_or_else(|| hidden_nd.clone())));
        }
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            hidden_nd = block.apply(&hidden_nd, BlockCall::new(layout).mask(call.mask(index).as_ref()));
            let name = format!("layers.{index}.output");
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        if self.settings.pre_norm && layers.end == self.blocks.len() {
            hidden_nd = self.norm.apply(&hidden_nd);
        }
        Ok(wanted.into_iter().fold(Output::new(hidden_nd), |output, (name, tensor)| output.with(name, tensor)))
    }

    fn describe(&self) -> Description {
        Description::new(self.settings.width, self.settings.num_layers)
            .with("modality", "audio")
            .with("input", "features")
            .with("rows", self.sounds.frames / self.settings.hop())
            .with("hop", self.settings.hop())
            .with("field", self.settings.field())
    }
}

impl Wav2Vec {
    /// Rows `[n, d]` of waves `[b, s, m]`, without positions.
    fn embed(&self, waves_bsm: &Tensor, layout: &Layout) -> Result<Tensor> {
        let rows_nc = self.frontend.apply(waves_bsm, layout)?;
        let rows_nc = self.projection_norm.as_ref().map_or_else(|| rows_nc.clone(), |norm| norm.apply(&rows_nc));
        Ok(self.projection.apply(&rows_nc).dropout(self.settings.dropout, Some(layout), "projection"))
    }

    /// Rows with their positions, as they enter the first block.
    fn placed(&self, rows_nd: &Tensor, layout: &Layout) -> Result<Tensor> {
        let placed_nd = rows_nd + self.positions.apply(rows_nd, layout)?;
        let placed_nd = if self.settings.pre_norm { placed_nd } else { self.norm.apply(&placed_nd) };
        Ok(placed_nd.dropout(self.settings.dropout, Some(layout), "embeddings"))
    }
}

export_plugin! { name: "wav2vec", provides: [Model<Wav2Vec>, HuggingFace<Wav2Vec>] }
