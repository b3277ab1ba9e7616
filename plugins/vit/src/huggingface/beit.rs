//! BEiT: Bao et al. 2021, arXiv:2106.08254.

use plugin_api::prelude::*;
use plugin_api::{HuggingFaceConfig as Config, Json, json};

use super::names::{layer, rows};
use super::{Architecture, common};
use crate::Vit;
use crate::settings::VitSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "beit", settings, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    let mut settings = common(config)?;
    let relative_bias = match (config.flag("use_relative_position_bias", false)?, "use_shared_relative_position_bias") {
        (true, shared) if config.flag(shared, false)? => return Err(config.refused(shared)),
        (true, _) => "each",
        (false, shared) if config.flag(shared, false)? => "shared",
        (false, _) => "none",
    };
    settings["relative_bias"] = json!(relative_bias);
    let has_positions = config.flag("use_absolute_position_embeddings", false)?;
    settings["positions"] = json!(if has_positions { "learned" } else { "none" });
    settings["mask_token"] = json!(config.flag("use_mask_token", false)?);
    settings["layer_scale"] = json!(config.number("layer_scale_init_value", 0.1)?);
    settings["final_norm"] = json!(!config.flag("use_mean_pooling", true)?);
    settings["key_bias"] = json!(false);
    settings["head_norm"] = json!(true);
    Ok(settings)
}

fn config(settings: &VitSettings) -> Json {
    json!({
        "architectures": ["BeitModel"],
        "architectures_by_head": {
            "none": "BeitModel",
            "tokens": "BeitForMaskedImageModeling",
            "classes": "BeitForImageClassification",
        },
        "use_relative_position_bias": settings.relative_bias == "each",
        "use_shared_relative_position_bias": settings.relative_bias == "shared",
        "use_absolute_position_embeddings": settings.positions == "learned",
        "use_mask_token": settings.mask_token,
        "use_mean_pooling": !settings.final_norm,
        "layer_scale_init_value": settings.layer_scale,
    })
}

fn table(vit: &Vit) -> HuggingFaceTable {
    let mut rows = rows(vit, "beit.");
    rows.extend(layer("tokens.layernorm", "layernorm"));
    rows.extend(layer("tokens.lm_head", "lm_head"));
    if !vit.settings.final_norm {
        rows.extend(layer("classes.layernorm", "beit.pooler.layernorm"));
    }
    rows.extend(layer("classes.classifier", "classifier"));
    HuggingFaceTable::new("beit.", rows).ignore("*relative_position_index")
}
