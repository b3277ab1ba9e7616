//! ViT: Dosovitskiy et al. 2020, arXiv:2010.11929; with a head for pixels that of SimMIM (Xie et al. 2021, arXiv:2111.09886).

use plugin_api::prelude::*;
use plugin_api::{HuggingFaceConfig as Config, Json, json};

use super::names::{layer, rows, with_positions};
use super::{Architecture, common};
use crate::Vit;
use crate::settings::VitSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "vit", settings, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    let mut settings = common(config)?;
    // Its files say by their architecture whether there is one.
    settings["mask_token"] = json!(config.is_for(&["ForMaskedImageModeling"]));
    Ok(settings)
}

fn config(settings: &VitSettings) -> Json {
    let bare = if settings.mask_token { "ViTForMaskedImageModeling" } else { "ViTModel" };
    json!({
        "architectures": [bare],
        "architectures_by_head": {
            "none": bare,
            "classes": "ViTForImageClassification",
            "values": "ViTForMaskedImageModeling",
        },
        "encoder_stride": settings.patch_size,
        "qkv_bias": true,
    })
}

fn table(vit: &Vit) -> HuggingFaceTable {
    let mut rows = rows(vit, "vit.");
    rows.extend(layer("classes.classifier", "classifier"));
    // Pixels of a patch by a convolution of one place, channel first.
    let outputs = vit.settings.patch_size.pow(2) * vit.pictures.channels;
    let [weight, bias] = layer("values.decoder.0", "decoder.0");
    rows.extend([weight.permuted(&[outputs, vit.settings.width, 1, 1], &[0, 1, 2, 3]), bias]);
    // No head of these reads what the pooler makes.
    let table = HuggingFaceTable::new("vit.", rows).ignore("*pooler.dense.weight").ignore("*pooler.dense.bias");
    with_positions(table, vit)
}
