//! The vision transformer: patches of a picture as rows.
//!
//! Dosovitskiy et al. 2020, arXiv:2010.11929; the rows may be those of all patches or of some, as masked autoencoders want
//! them (He et al. 2021, arXiv:2111.06377), and some may be hidden behind a learned vector (Bao et al. 2021, arXiv:2106.08254).
//! Patches may also be codes of a tokenizer, with a label beside them (Chang et al. 2022, arXiv:2202.04200).
//! Weights have the names of Hugging Face's ViT and BEiT. Axes: b pictures, l patches of a
//! picture, m patches of all, n rows, d width.

mod embeddings;
mod heads;
mod huggingface;
mod settings;

use plugin_api::nn::{Block, BlockCall, GridBias, Norm, NormKind};
use plugin_api::prelude::*;

use embeddings::Embeddings;
use heads::VitHead;
pub use settings::VitSettings;

/// One built model.
pub struct Vit {
    settings: VitSettings,
    pictures: Pictures,
    embeddings: Embeddings,
    blocks: Vec<Block>,
    /// None, one for all blocks, or one for each.
    biases: Vec<GridBias>,
    norm: Option<Norm>,
}

impl ModelFamily for Vit {
    type Settings = VitSettings;

    fn build(settings: VitSettings, scope: &Scope) -> Result<Self> {
        let pictures = scope.pictures()?;
        settings.check(&pictures)?;
        let embeddings = Embeddings::new(&settings, pictures, &scope.at("embeddings"))?;
        let blocks = (0..settings.num_layers).map(|index| settings.block(index, &scope.at("encoder.layer")));
        let blocks = blocks.collect::<Result<_>>()?;
        let bias = |at: &str| {
            let scope = scope.at(&format!("encoder.{at}relative_position_bias"));
            GridBias::new(&scope, settings.num_heads, embeddings.grid(), settings.class_token)
        };
        let biases = match settings.relative_bias.as_str() {
            "shared" => vec![bias("")?],
            "each" => (0..settings.num_layers)
                .map(|index| bias(&format!("layer.{index}.attention.attention.")))
                .collect::<Result<_>>()?,
            _ => Vec::new(),
        };
        let norm = || Norm::new(&scope.at("layernorm"), settings.width, NormKind::Layer, settings.norm_epsilon);
        let norm = settings.final_norm.then(norm).transpose()?;
        Ok(Self { settings, pictures, embeddings, blocks, biases, norm })
    }

    fn forward(&self, call: &Forward) -> Result<Output> {
        let layers = call.layers(self.blocks.len());
        let mut wanted = Vec::new();
        let mut hidden_nd = match call.hidden() {
            Some(hidden_nd) => hidden_nd,
            None if layers.start == 0 => self.embeddings.apply(call)?,
            None => return Err(Error::data(format!("layers {layers:?} need the input `hidden`"))),
        };
        if call.wants("embeddings") {
            wanted.push(("embeddings".to_owned(), hidden_nd.clone()));
        }
        let positions = call.input("positions")?;
        let bias_of = |index: usize| self.biases[index].mask(call.layout(), positions.as_ref());
        let shared = (self.biases.len() == 1).then(|| bias_of(0)).transpose()?;
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            let own = if self.biases.len() > 1 { Some(bias_of(index)?) } else { shared.clone() };
            let parts = ["query", "key", "value"].map(|part| format!("layers.{index}.attention.{part}"));
            if parts.iter().any(|name| call.wants(name)) {
                let made = block.queries_keys_values(&hidden_nd, BlockCall::new(call.layout()));
                wanted.extend(parts.into_iter().zip(made).filter(|(name, _)| call.wants(name)));
            }
            let mask = match (call.mask(index), own) {
                (Some(mask), Some(bias)) => Some(mask & bias),
                (mask, bias) => mask.or(bias),
            };
            hidden_nd = block.apply(&hidden_nd, BlockCall::new(call.layout()).mask(mask.as_ref()));
            let name = format!("layers.{index}.output");
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        if let Some(norm) = self.norm.as_ref().filter(|_| layers.end == self.blocks.len()) {
            hidden_nd = norm.apply(&hidden_nd);
        }
        Ok(wanted.into_iter().fold(Output::new(hidden_nd), |output, (name, tensor)| output.with(name, tensor)))
    }

    fn head(&self, scope: &Scope, request: &HeadRequest) -> Result<Box<dyn HeadModule>> {
        Ok(Box::new(VitHead::new(&self.settings, scope, request)?))
    }

    fn describe(&self) -> Description {
        let class_token = usize::from(self.settings.class_token);
        Description::new(self.settings.width, self.settings.num_layers)
            .with("modality", "image")
            .with("input", if self.settings.codes > 0 { "codes" } else { "pixels" })
            .with("input_codes", self.settings.codes)
            .with("input_labels", self.settings.labels)
            .with("num_heads", self.settings.num_heads)
            .with("rows", self.embeddings.patches() + class_token)
            .with("patch_size", self.settings.patch_size)
            .with("class_token", self.settings.class_token)
            .with("mask_token", self.settings.mask_token)
            .with("pooling", if self.settings.class_token && self.settings.final_norm { "first" } else { "mean" })
    }
}

export_plugin! { name: "vit", provides: [Model<Vit>, HuggingFace<Vit>] }
