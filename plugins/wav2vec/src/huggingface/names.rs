//! Names of the weights: the family's own, after the model's.

use plugin_api::prelude::*;

use crate::Wav2Vec;

/// The kernel for positions goes by two pairs of names, of older and newer files.
const KERNEL: [(&str, [&str; 2]); 2] = [
    ("weight_g", ["parametrizations.weight.original0", "weight_g"]),
    ("weight_v", ["parametrizations.weight.original1", "weight_v"]),
];

/// All names of a model's weights, with those of its head for tokens.
pub(super) fn table(model: &Wav2Vec) -> HuggingFaceTable {
    let settings = &model.settings;
    let prefix = format!("{}.", settings.published);
    let mut names = Vec::new();
    let mut both = |at: String| names.extend(["weight", "bias"].map(|kind| format!("{at}.{kind}")));
    for layer in 0..settings.kernels.len() {
        if settings.conv_norm == "layer" || layer == 0 {
            both(format!("feature_extractor.conv_layers.{layer}.layer_norm"));
        }
    }
    if settings.projection_norm {
        both("feature_projection.layer_norm".into());
    }
    both("feature_projection.projection".into());
    both("encoder.layer_norm".into());
    for layer in 0..settings.num_layers {
        for part in [
            "attention.q_proj",
            "attention.k_proj",
            "attention.v_proj",
            "attention.out_proj",
            "layer_norm",
            "feed_forward.intermediate_dense",
            "feed_forward.output_dense",
            "final_layer_norm",
        ] {
            both(format!("encoder.layers.{layer}.{part}"));
        }
    }
    for layer in 0..settings.kernels.len() {
        names.push(format!("feature_extractor.conv_layers.{layer}.conv.weight"));
        names.extend(settings.conv_bias.then(|| format!("feature_extractor.conv_layers.{layer}.conv.bias")));
    }
    let conv = "encoder.pos_conv_embed.conv";
    names.push(format!("{conv}.bias"));
    let mut rows: Vec<_> = names.iter().map(|name| HuggingFaceName::new(name, format!("{prefix}{name}"))).collect();
    for (own, theirs) in KERNEL {
        rows.extend(
            theirs.map(|theirs| HuggingFaceName::new(format!("{conv}.{own}"), format!("{prefix}{conv}.{theirs}"))),
        );
    }
    for kind in ["weight", "bias"] {
        rows.push(HuggingFaceName::new(format!("tokens.{kind}"), format!("lm_head.{kind}")));
    }
    // What hides rows in training is the objective's here; quantisers are no part of what hears.
    let table = HuggingFaceTable::new(prefix, rows).ignore("*masked_spec_embed");
    ["quantizer.*", "project_hid.*", "project_q.*"].into_iter().fold(table, HuggingFaceTable::ignore)
}
