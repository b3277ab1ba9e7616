//! The published architectures that are combinations of this family's settings.
//!
//! Each has a file of its own with four functions: the settings for a `config.json`, whether settings are of its kind,
//! the `config.json` for settings, and the names of the weights.

mod bert;
mod deberta;
mod electra;
mod gpt2;
mod llama;
mod modernbert;
mod mosaicbert;
mod roberta;
mod rows;
mod t5;

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use crate::Transformer;
use crate::settings::TransformerSettings;
pub(crate) use plugin_api::HuggingFaceConfig as Config;

/// A published architecture.
struct Architecture {
    /// Its `model_type`.
    model_type: &'static str,
    /// The settings that its `config.json` means; those left out keep their defaults.
    settings: fn(&Config<'_>) -> Result<Json>,
    /// Whether settings are of its kind; sizes are free.
    fits: fn(&TransformerSettings) -> bool,
    /// The `config.json` of settings that fit, without `model_type` and `vocab_size`.
    config: fn(&TransformerSettings) -> Json,
    /// The names of the weights under settings that fit.
    table: fn(&TransformerSettings) -> HuggingFaceTable,
}

/// Where several fit the same settings, the first is what an export writes.
const ARCHITECTURES: &[Architecture] = &[
    bert::ARCHITECTURE,
    roberta::ARCHITECTURE,
    roberta::XLM_ROBERTA,
    roberta::CAMEMBERT,
    electra::ARCHITECTURE,
    deberta::ARCHITECTURE,
    modernbert::ARCHITECTURE,
    mosaicbert::ARCHITECTURE,
    gpt2::ARCHITECTURE,
    llama::LLAMA,
    llama::MISTRAL,
    t5::T5,
    t5::MT5,
];

fn architecture(settings: &TransformerSettings) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| (architecture.fits)(settings))
}

/// Whether settings are those that their own `config.json` of this architecture means: then nothing of them is lost on
/// the way.
fn round_trips(architecture: &Architecture, settings: &TransformerSettings) -> bool {
    let written = (architecture.config)(settings);
    let read = (architecture.settings)(&Config::new(&written)).and_then(|read| TransformerSettings::from_json(&read));
    let Ok(mut read) = read else { return false };
    if !settings.pooler {
        // What a head that is not there would be like.
        read.pooler_activation.clone_from(&settings.pooler_activation);
        read.pooler_norm = settings.pooler_norm;
    }
    read.pooler = settings.pooler;
    if settings.token_types == 0 && read.token_types == 1 {
        // One type for all, and it is zero: the same numbers.
        read.token_types = 0;
    }
    read.resolved() == settings.resolved()
}

impl HuggingFace for Transformer {
    fn settings_of(config: &Json) -> Result<Option<Json>> {
        let config = Config::new(config);
        let model_type = match config.text("model_type", "")? {
            "bert" if config.get(mosaicbert::KEY).is_some() => mosaicbert::NAME,
            model_type => model_type,
        };
        let known = ARCHITECTURES.iter().find(|architecture| architecture.model_type == model_type);
        known.map(|architecture| (architecture.settings)(&config)).transpose()
    }

    fn config(&self) -> Result<Json> {
        if self.settings.lora_rank > 0 {
            return Err(Error::unsupported("low-rank changes have no place in a published folder")
                .help("export a model without `lora_rank`"));
        }
        let multiple = self.settings.vocabulary_multiple;
        if !self.vocabulary.is_multiple_of(multiple) {
            let fact = format!("{} tokens leave rows of the embeddings that are no token's", self.vocabulary);
            return Err(Error::unsupported(format!("{fact}, which a published folder has not"))
                .help(format!("`vocabulary_multiple` is {multiple}: choose a vocabulary of such a size")));
        }
        let architecture = architecture(&self.settings).ok_or_else(|| {
            Error::unsupported("no published architecture has these settings")
                .help("the README of `transformer` has a table of architectures with the settings of each")
        })?;
        let mut config = (architecture.config)(&self.settings);
        if config.get("model_type").is_none() {
            config["model_type"] = json!(architecture.model_type);
        }
        config["vocab_size"] = json!(self.vocabulary);
        Ok(config)
    }

    /// Heads have their kind in front of their own names. Empty when the settings are of no published architecture.
    fn table(&self) -> HuggingFaceTable {
        architecture(&self.settings).map_or_else(HuggingFaceTable::default, |found| (found.table)(&self.settings))
    }
}
