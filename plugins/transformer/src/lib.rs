//! The transformer family: encoders and causal decoders from one composed block.
//!
//! Vaswani et al. 2017, arXiv:1706.03762; as an encoder with its default settings Devlin et al. 2018, arXiv:1810.04805.
//! Weights have BERT's names whatever the settings. Axes: n token rows, d width.

mod embeddings;
mod heads;
mod huggingface;
mod layers;
mod settings;

use plugin_api::nn::{Block, BlockCall, LinearHead, Norm};
use plugin_api::prelude::*;

use embeddings::{Embeddings, norm};
use heads::{ClassHead, TokenHead};
pub use settings::{Positions, TransformerSettings};

/// One built model.
pub struct Transformer {
    settings: TransformerSettings,
    vocabulary: usize,
    embeddings: Embeddings,
    blocks: Vec<Block>,
    /// After the last block, where norms come before.
    final_norm: Option<Norm>,
}

impl Transformer {
    /// What a row may see where the call does not say.
    fn own_mask(&self) -> Option<Mask> {
        self.settings.causal.then(Mask::causal)
    }
}

impl ModelFamily for Transformer {
    type Settings = TransformerSettings;

    fn build(settings: TransformerSettings, scope: &Scope) -> Result<Self> {
        settings.check()?;
        let vocabulary = scope.vocabulary("text")?;
        let embeddings = Embeddings::new(&settings, &vocabulary, &scope.at("embeddings"))?;
        let blocks = (0..settings.num_layers).map(|index| layers::block(&settings, index, &scope.at("encoder.layer")));
        let blocks = blocks.collect::<Result<_>>()?;
        let final_norm = settings.pre_norm.then(|| norm(&settings, &scope.at("encoder.LayerNorm"))).transpose()?;
        Ok(Self { vocabulary: vocabulary.size(), embeddings, blocks, final_norm, settings })
    }

    fn forward(&self, call: &Forward) -> Result<Output> {
        self.pass(call, None)
    }

    fn head(&self, scope: &Scope, request: &HeadRequest) -> Result<Box<dyn HeadModule>> {
        let width = self.settings.width;
        Ok(match request.kind() {
            HeadKind::Tokens => {
                Box::new(TokenHead::new(&self.settings, self.embeddings.words.weight(), self.vocabulary, scope)?)
            }
            HeadKind::Classes(classes) => Box::new(ClassHead::new(&self.settings, classes, scope)?),
            HeadKind::Scalar => Box::new(LinearHead::new(&scope.at("score"), width, 1)?),
            HeadKind::Values(count) => Box::new(LinearHead::new(&scope.at("values"), width, count)?),
            other => return Err(Error::unsupported(format!("the transformer has no head of the kind {other:?}"))),
        })
    }

    fn describe(&self) -> Description {
        let description = Description::new(self.settings.width, self.settings.num_layers)
            .causal(self.settings.causal)
            .with("word_embeddings", "embeddings.word_embeddings.weight");
        let description = match self.settings.token_types {
            0 => description,
            _ => description.with("type_embeddings", "embeddings.token_type_embeddings.weight"),
        };
        match self.settings.position_kind() {
            Positions::Learned => description
                .with("position_embeddings", "embeddings.position_embeddings.weight")
                .with("maximum_length", self.settings.maximum_length),
            _ => description,
        }
    }
}

impl Decode for Transformer {
    fn begin(&self, _: &State) -> Result<()> {
        if self.settings.causal {
            return Ok(());
        }
        Err(Error::unsupported("a transformer that sees what comes after cannot decode step by step")
            .help("train it with `causal = true`"))
    }

    fn step(&self, state: &State, call: &Forward) -> Result<Output> {
        self.pass(call, Some(state))
    }
}

impl Transformer {
    /// Runs rows through some layers; with a state they follow those that it remembers.
    fn pass(&self, call: &Forward, state: Option<&State>) -> Result<Output> {
        let layout = call.layout();
        let layers = call.layers(self.blocks.len());
        let mut wanted = Vec::new();
        let mut hidden_nd = match call.hidden() {
            Some(hidden_nd) => hidden_nd,
            None if layers.start == 0 => {
                let hidden_nd = self.embeddings.apply(call)?;
                if call.wants("embeddings") {
                    wanted.push(("embeddings".to_owned(), hidden_nd.clone()));
                }
                hidden_nd
            }
            None => {
                return Err(Error::data(format!("layers {layers:?} need the input `hidden`"))
                    .help("only the first layer begins from tokens or embeddings"));
            }
        };
        let rotary = matches!(self.settings.position_kind(), Positions::Rotary(_));
        let positions_n = rotary.then(|| layout.positions());
        let alibi = (self.settings.position_kind() == Positions::Alibi).then(|| Mask::alibi(self.settings.num_heads));
        for (index, block) in self.blocks.iter().enumerate().take(layers.end).skip(layers.start) {
            let mask = match (call.mask(index).or_else(|| self.own_mask()), &alibi) {
                (Some(mask), Some(alibi)) => Some(mask & alibi),
                (mask, alibi) => mask.or_else(|| alibi.clone()),
            };
            let around = BlockCall::new(layout).positions(positions_n.as_ref()).mask(mask.as_ref()).state(state);
            hidden_nd = block.apply(&hidden_nd, around);
            let name = format!("layers.{index}.output");
            if call.wants(&name) {
                wanted.push((name, hidden_nd.clone()));
            }
        }
        if let (Some(norm), true) = (&self.final_norm, layers.end == self.blocks.len()) {
            hidden_nd = norm.apply(&hidden_nd);
        }
        Ok(wanted.into_iter().fold(Output::new(hidden_nd), |output, (name, tensor)| output.with(name, tensor)))
    }
}

export_plugin! { name: "transformer", provides: [Model<Transformer>, Decode<Transformer>, HuggingFace<Transformer>] }
