//! The published architectures that are combinations of this family's settings.
//!
//! Each has a file of its own with four functions: the settings for a `config.json`, whether settings are of its kind, the
//! `config.json` for settings, and the names of the weights.

mod bert;
mod read;

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use crate::Transformer;
use crate::settings::TransformerSettings;
pub(crate) use read::Config;

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
const ARCHITECTURES: &[Architecture] = &[bert::ARCHITECTURE];

fn architecture(settings: &TransformerSettings) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| (architecture.fits)(settings))
}

impl HuggingFace for Transformer {
    fn settings_of(config: &Json) -> Result<Option<Json>> {
        let config = Config::new(config);
        let model_type = config.text("model_type", "")?;
        let known = ARCHITECTURES.iter().find(|architecture| architecture.model_type == model_type);
        known.map(|architecture| (architecture.settings)(&config)).transpose()
    }

    fn config(&self) -> Result<Json> {
        let architecture = architecture(&self.settings).ok_or_else(|| {
            Error::unsupported("no published architecture has these settings").help(
                "BERT's: learned positions, norms after each part, biases, `norm = \"layer\"`, no `causal`, no `glu`",
            )
        })?;
        let mut config = (architecture.config)(&self.settings);
        config["model_type"] = json!(architecture.model_type);
        config["vocab_size"] = json!(self.vocabulary);
        Ok(config)
    }

    /// Heads have their kind in front of their own names. Empty when the settings are of no published architecture.
    fn table(&self) -> HuggingFaceTable {
        architecture(&self.settings).map_or_else(HuggingFaceTable::default, |found| (found.table)(&self.settings))
    }
}
