//! The vision transformer: patches of a picture as rows.
//!
//! Dosovitskiy et al. 2020, arXiv:2010.11929; the rows may be those of all patches or of some, as masked autoencoders want
//! them (He et al. 2021, arXiv:2111.06377). Weights have the names of Hugging Face's ViT. Axes: b pictures, l patches of a
//! picture, m patches of all, n rows, d width.

mod embeddings;
mod settings;

use plugin_api::nn::{Block, BlockCall, Norm, NormKind};
use plugin_api::prelude::*;

use embeddings::Embeddings;
pub use settings::VitSettings;

/// One built model.
pub struct Vit {
    settings: VitSettings,
    embeddings: Embeddings,
    blocks: Vec<Block>,
    norm: Norm,
}

impl ModelFamily for Vit {
    type Settings = VitSettings;

    fn build(settings: VitSettings, scope: &Scope) -> Result<Self> {
        let pictures = scope.pictures()?;
        settings.check(&pictures)?;
        let embeddings = Embeddings::new(&settings, pictures, &scope.at("embeddings"))?;
        let blocks = (0..settings.num_layers).map(|index| settings.block(index, &scope.at("encoder.layer")));
        let blocks = blocks.collect::<Result<_>>()?;
        let norm = Norm::new(&scope.at("layernorm"), settings.width, NormKind::Layer, settings.norm_epsilon)?;
        Ok(Self { settings, embeddings, blocks, norm })
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
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            let mask = call.mask(index);
            hidden_nd = block.apply(&hidden_nd, BlockCall::new(call.layout()).mask(mask.as_ref()));
            let name = format!("layers.{index}.output");
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        if layers.end == self.blocks.len() {
            hidden_nd = self.norm.apply(&hidden_nd);
        }
        Ok(wanted.into_iter().fold(Output::new(hidden_nd), |output, (name, tensor)| output.with(name, tensor)))
    }

    fn describe(&self) -> Description {
        let class_token = usize::from(self.settings.class_token);
        Description::new(self.settings.width, self.settings.num_layers)
            .with("modality", "image")
            .with("input", "pixels")
            .with("rows", self.embeddings.patches() + class_token)
            .with("patch_size", self.settings.patch_size)
            .with("class_token", self.settings.class_token)
    }
}

export_plugin! { name: "vit", provides: [Model<Vit>] }
