//! Names that the architectures share: the family's own, after a prefix.

use plugin_api::nn::grid_positions;
use plugin_api::prelude::*;

use crate::Vit;

/// Rows of all weights of the model, but for positions that are computed.
pub(super) fn rows(vit: &Vit, prefix: &str) -> Vec<HuggingFaceName> {
    let settings = &vit.settings;
    let mut names: Vec<String> = vec!["embeddings.patch_embeddings.projection.bias".to_owned()];
    let mut add = |wanted: bool, name: &str| names.extend(wanted.then(|| name.to_owned()));
    add(settings.class_token, "embeddings.cls_token");
    add(settings.mask_token, "embeddings.mask_token");
    add(matches!(settings.positions.as_str(), "learned" | "fixed"), "embeddings.position_embeddings");
    add(settings.relative_bias == "shared", "encoder.relative_position_bias.relative_position_bias_table");
    for layer in 0..settings.num_layers {
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in [
            "layernorm_before",
            "attention.attention.query",
            "attention.attention.key",
            "attention.attention.value",
            "attention.output.dense",
            "layernorm_after",
            "intermediate.dense",
            "output.dense",
        ] {
            add(true, &at(&format!("{part}.weight")));
            add(settings.key_bias || part != "attention.attention.key", &at(&format!("{part}.bias")));
        }
        add(settings.layer_scale > 0.0, &at("lambda_1"));
        add(settings.layer_scale > 0.0, &at("lambda_2"));
        let table = "attention.attention.relative_position_bias.relative_position_bias_table";
        add(settings.relative_bias == "each", &at(table));
    }
    add(settings.final_norm, "layernorm.weight");
    add(settings.final_norm, "layernorm.bias");
    let mut rows: Vec<_> = names.iter().map(|name| HuggingFaceName::new(name, format!("{prefix}{name}"))).collect();
    let kernel = "embeddings.patch_embeddings.projection.weight";
    let shape = [settings.width, vit.pictures.channels, settings.patch_size, settings.patch_size];
    rows.push(HuggingFaceName::new(kernel, format!("{prefix}{kernel}")).permuted(&shape, &[0, 2, 3, 1]));
    rows
}

/// With positions that are computed here, for files that hold them.
pub(super) fn with_positions(table: HuggingFaceTable, vit: &Vit) -> HuggingFaceTable {
    if vit.settings.positions != "sincos" {
        return table;
    }
    let ([rows, columns], width) = (vit.embeddings.grid(), vit.settings.width);
    let mut values = vec![0.0; width];
    values.extend(grid_positions(rows, columns, width));
    table.constant("vit.embeddings.position_embeddings", &[1, rows * columns + 1, width], values)
}

/// `weight` and `bias` of a layer of a head, under its published name.
pub(super) fn layer(own: &str, theirs: &str) -> [HuggingFaceName; 2] {
    ["weight", "bias"].map(|kind| HuggingFaceName::new(format!("{own}.{kind}"), format!("{theirs}.{kind}")))
}
