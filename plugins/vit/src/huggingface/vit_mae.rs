//! ViT-MAE: He et al. 2021, arXiv:2111.06377. The encoder alone: a decoder is the objective's.

use plugin_api::prelude::*;
use plugin_api::{HuggingFaceConfig as Config, Json, json};

use super::names::{rows, with_positions};
use super::{Architecture, common};
use crate::Vit;
use crate::settings::VitSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "vit_mae", settings, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    let mut settings = common(config)?;
    // Files hold their positions, and not all go by columns first.
    settings["positions"] = json!("fixed");
    Ok(settings)
}

fn config(_: &VitSettings) -> Json {
    json!({
        "architectures": ["ViTMAEModel"],
        "architectures_by_head": { "none": "ViTMAEModel" },
        "qkv_bias": true,
    })
}

fn table(vit: &Vit) -> HuggingFaceTable {
    with_positions(HuggingFaceTable::new("vit.", rows(vit, "vit.")).ignore("decoder.*"), vit)
}
