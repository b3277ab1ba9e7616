//! The transformer family: encoders, causal decoders and encoder–decoders from one composed block.
//!
//! Vaswani et al. 2017, arXiv:1706.03762; as an encoder with its default settings Devlin et al. 2018, arXiv:1810.04805.
//! Weights have BERT's names whatever the settings. Axes: n token rows, d width.

mod aggregate;
mod embeddings;
mod heads;
mod huggingface;
mod layers;
mod settings;
mod stack;

use plugin_api::nn::LinearHead;
use plugin_api::prelude::*;

use embeddings::Embeddings;
use heads::{ClassHead, ScalarHead, TokenHead};
pub use settings::{Positions, TransformerSettings};
use stack::Stack;

/// One built model.
pub struct Transformer {
    settings: TransformerSettings,
    vocabulary: usize,
    embeddings: Embeddings,
    stack: Stack,
    /// Beside an encoder.
    decoder: Option<Stack>,
}

impl ModelFamily for Transformer {
    type Settings = TransformerSettings;

    fn build(mut settings: TransformerSettings, scope: &Scope) -> Result<Self> {
        settings.check()?;
        let vocabulary = scope.vocabulary("text")?;
        if settings.decoder_layers > 0 {
            settings.decoder_start = settings.decoder_start.or_else(|| vocabulary.pad_token().ok());
        }
        let vocabulary = vocabulary.size();
        // With low-rank changes nothing else of the model learns.
        let scope = scope.frozen(settings.lora_rank > 0);
        let embeddings = Embeddings::new(&settings, vocabulary, &scope)?;
        let (stack, decoder) = (Stack::new(&settings, &scope)?, Stack::answering(&settings, &scope)?);
        if decoder.is_some() && settings.decoder_start.is_none_or(|id| id as usize >= vocabulary) {
            let fact =
                settings.decoder_start.map_or("is left out, and the vocabulary has no padding".to_owned(), |id| {
                    format!("is {id}, and the vocabulary has {vocabulary} tokens")
                });
            return Err(Error::setting("decoder_start", fact).help("give the id of the token that answers begin with"));
        }
        Ok(Self { vocabulary, embeddings, stack, decoder, settings })
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
            HeadKind::Scalar => Box::new(ScalarHead::new(&self.settings, scope)?),
            HeadKind::Values(count) => Box::new(LinearHead::new(&scope.at("values"), width, count)?),
            other => return Err(Error::unsupported(format!("the transformer has no head of the kind {other:?}"))),
        })
    }

    fn describe(&self) -> Description {
        let description = Description::new(self.settings.width, self.settings.num_layers)
            .causal(self.settings.all_causal())
            .with("word_embeddings", "embeddings.word_embeddings.weight");
        let description = match self.settings.token_types {
            0 => description,
            _ => description.with("type_embeddings", "embeddings.token_type_embeddings.weight"),
        };
        let description = match &self.decoder {
            None => description,
            Some(decoder) => description
                .with("decoder_layers", decoder.len())
                .with("decoder_start_token", self.settings.decoder_start),
        };
        match self.settings.position_kind() {
            Positions::Learned => description
                // An offset counts from the padding token's id on, and counts real tokens alone.
                .with("positions_skip_padding", self.settings.position_offset > 0)
                .with("position_embeddings", "embeddings.position_embeddings.weight")
                .with("maximum_length", self.settings.maximum_length),
            _ => description,
        }
    }
}

impl Decode for Transformer {
    fn begin(&self, _: &State) -> Result<()> {
        if self.decoder.is_some() || self.settings.all_causal() {
            return Ok(());
        }
        let fault = Error::unsupported("a transformer that sees what comes after cannot decode step by step");
        Err(match &self.settings.causal_groups {
            Some(bits) if self.settings.causal => {
                fault.help(format!("`causal_groups = \"{bits}\"` opens groups of blocks: leave it out to decode"))
            }
            _ => fault.help("train it with `causal = true`, or with `decoder_layers`"),
        })
    }

    fn step(&self, state: &State, call: &Forward) -> Result<Output> {
        self.pass(call, Some(state))
    }
}

impl Transformer {
    /// Runs rows through some layers; with a state they follow those that it remembers.
    fn pass(&self, call: &Forward, state: Option<&State>) -> Result<Output> {
        let answers = call.workflow() == "decode";
        let stack = self.decoder.as_ref().filter(|_| answers).unwrap_or(&self.stack);
        let layers = call.layers(stack.len());
        let mut wanted = Vec::new();
        let hidden_nd = match call.hidden() {
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
        let hidden_nd = stack.run(&self.settings, hidden_nd, call, state, &mut wanted)?;
        Ok(wanted.into_iter().fold(Output::new(hidden_nd), |output, (name, tensor)| output.with(name, tensor)))
    }
}

export_plugin! { name: "transformer", provides: [Model<Transformer>, Decode<Transformer>, HuggingFace<Transformer>] }
