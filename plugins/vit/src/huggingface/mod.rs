//! The published architectures that are combinations of this family's settings: ViT, ViT-MAE and BEiT.

mod beit;
mod names;
mod vit;
mod vit_mae;

use plugin_api::prelude::*;
use plugin_api::{HuggingFaceConfig as Config, Json, activation_name, json};

use crate::Vit;
use crate::settings::VitSettings;

/// A published architecture.
struct Architecture {
    /// Its `model_type`.
    model_type: &'static str,
    /// The settings that its `config.json` means.
    settings: fn(&Config<'_>) -> Result<Json>,
    /// The `config.json` of settings, without what all have in common.
    config: fn(&VitSettings) -> Json,
    /// The names of the weights, for pictures of so many colours.
    table: fn(&Vit) -> HuggingFaceTable,
}

/// Where several fit the same settings, the first is what an export writes.
const ARCHITECTURES: &[Architecture] = &[vit::ARCHITECTURE, vit_mae::ARCHITECTURE, beit::ARCHITECTURE];

/// The architecture whose `config.json` of these settings means just these, so that nothing is lost on the way.
fn architecture(settings: &VitSettings) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| {
        let written = config_of(architecture, settings);
        let read = (architecture.settings)(&Config::new(&written)).and_then(|read| VitSettings::from_json(&read));
        let Ok(mut read) = read else { return false };
        read.initial.clone_from(&settings.initial);
        // What is computed here is held there, among what was learned where there is a mask token: ViT-MAE has none.
        let held = read.positions == "fixed" || settings.mask_token && read.positions == "learned";
        if settings.positions == "sincos" && held {
            read.positions.clone_from(&settings.positions);
        }
        read.ffn_width = Some(read.inner_width());
        read == VitSettings { ffn_width: Some(settings.inner_width()), ..settings.clone() }
    })
}

/// What all of them say of settings in the same way.
fn common(config: &Config<'_>) -> Result<Json> {
    config.must_be("qkv_bias", &json!(true))?;
    Ok(json!({
        "width": config.count("hidden_size")?,
        "num_layers": config.count("num_hidden_layers")?,
        "num_heads": config.count("num_attention_heads")?,
        "ffn_width": config.count("intermediate_size")?,
        "patch_size": config.count_or("patch_size", 16)?,
        "activation": config.activation("hidden_act", "gelu")?,
        "dropout": config.number("hidden_dropout_prob", 0.0)?,
        "attention_dropout": config.number("attention_probs_dropout_prob", 0.0)?,
        "norm_epsilon": config.number("layer_norm_eps", 1e-12)?,
    }))
}

/// The whole `config.json` but for the pictures.
fn config_of(architecture: &Architecture, settings: &VitSettings) -> Json {
    let mut config = json!({
        "model_type": architecture.model_type,
        "hidden_size": settings.width,
        "num_hidden_layers": settings.num_layers,
        "num_attention_heads": settings.num_heads,
        "intermediate_size": settings.inner_width(),
        "patch_size": settings.patch_size,
        "hidden_act": activation_name(&settings.activation),
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.attention_dropout,
        "layer_norm_eps": settings.norm_epsilon,
    });
    if let (Json::Object(config), Json::Object(own)) = (&mut config, (architecture.config)(settings)) {
        config.extend(own);
    }
    config
}

impl HuggingFace for Vit {
    fn settings_of(config: &Json) -> Result<Option<Json>> {
        let config = Config::new(config);
        let model_type = config.text("model_type", "")?;
        let known = ARCHITECTURES.iter().find(|architecture| architecture.model_type == model_type);
        known.map(|architecture| (architecture.settings)(&config)).transpose()
    }

    fn config(&self) -> Result<Json> {
        let architecture = architecture(&self.settings).ok_or_else(|| {
            Error::unsupported("no published architecture has these settings")
                .help("the README of `vit` has a table of architectures with the settings of each")
        })?;
        let mut config = config_of(architecture, &self.settings);
        let Pictures { height, width, channels } = self.pictures;
        config["image_size"] = if height == width { json!(height) } else { json!([height, width]) };
        config["num_channels"] = json!(channels);
        Ok(config)
    }

    /// Heads have their kind in front of their own names. Empty when the settings are of no published architecture.
    fn table(&self) -> HuggingFaceTable {
        architecture(&self.settings).map_or_else(HuggingFaceTable::default, |found| (found.table)(self))
    }
}
