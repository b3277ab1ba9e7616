//! ViT-MAE: He et al. 2021, arXiv:2111.06377. The encoder alone: a decoder is the objective's.

use plugin_api::nn::grid_positions;
use plugin_api::prelude::*;
use plugin_api::{HuggingFaceConfig as Config, Json, json};

use super::names::rows;
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
    let table = HuggingFaceTable::new("vit.", rows(vit, "vit.")).ignore("decoder.*");
    if vit.settings.positions != "sincos" {
        return table;
    }
    let ([rows, columns], width) = (vit.embeddings.grid(), vit.settings.width);
    let mut values = vec![0.0; width];
    values.extend(grid_positions(rows, columns, width));
    table.constant("vit.embeddings.position_embeddings", &[1, rows * columns + 1, width], values)
}
