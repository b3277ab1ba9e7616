//! T5: Raffel et al. 2020, arXiv:1910.10683; version 1.1 has a gated MLP and a head of its own; mT5 is the same.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;

pub(super) const T5: Architecture = Architecture { model_type: "t5", settings, fits, config, table };
pub(super) const MT5: Architecture = Architecture { model_type: "mt5", settings: mt5_settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    let tied = config.flag("tie_word_embeddings", true)?;
    settings_of(config, "relu", tied)
}

fn mt5_settings(config: &Config<'_>) -> Result<Json> {
    let tied = config.flag("tie_word_embeddings", false)?;
    settings_of(config, "gated-gelu", tied)
}

fn settings_of(config: &Config<'_>, usual_mlp: &str, tied: bool) -> Result<Json> {
    config.must_be("is_encoder_decoder", &json!(true))?;
    let mlp = config.text("feed_forward_proj", usual_mlp)?;
    let (glu, activation) = match mlp.split_once('-') {
        // GELU is meant in its approximation by tanh there, and only there.
        Some(("gated", "gelu")) => (true, "gelu_tanh"),
        Some(("gated", name)) => (true, name),
        _ => (false, mlp),
    };
    let activation = match activation {
        "relu" | "silu" | "gelu" | "gelu_tanh" => activation,
        "gelu_new" | "gelu_pytorch_tanh" => "gelu_tanh",
        _ => return Err(config.refused("feed_forward_proj")),
    };
    let num_layers = config.count_or("num_layers", 6)?;
    let dropout = config.number("dropout_rate", 0.1)?;
    Ok(json!({
        "width": config.count_or("d_model", 512)?,
        "num_layers": num_layers,
        "decoder_layers": config.count_or("num_decoder_layers", num_layers)?,
        "decoder_start": config.count_or("decoder_start_token_id", config.count_or("pad_token_id", 0)?)?,
        "num_heads": config.count_or("num_heads", 8)?,
        "head_dim": config.count_or("d_kv", 64)?,
        "ffn_width": config.count_or("d_ff", 2048)?,
        "positions": "relative",
        "bias_buckets": config.count_or("relative_attention_num_buckets", 32)?,
        "bias_distance": config.count_or("relative_attention_max_distance", 128)?,
        "score_scale": 1.0,
        "norm": "rms",
        "norm_epsilon": config.number("layer_norm_epsilon", 1e-6)?,
        "pre_norm": true,
        "activation": activation,
        "glu": glu,
        "bias": false,
        "dropout": dropout,
        "attention_dropout": dropout,
        "tied_head": tied,
        // Newer files say it apart from what is tied.
        "scaled_head": config.flag("scale_decoder_outputs", tied)?,
    }))
}

fn fits(settings: &TransformerSettings) -> bool {
    settings.decoder_layers > 0 && round_trips(&T5, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    let activation = match (settings.glu, settings.activation.as_str()) {
        (true, "gelu_tanh") => "gelu",
        (false, "gelu_tanh") => "gelu_new",
        (_, name) => name,
    };
    let mut config = json!({
        "architectures": ["T5Model"],
        "architectures_by_head": { "none": "T5Model", "tokens": "T5ForConditionalGeneration" },
        "d_model": settings.width,
        "num_layers": settings.num_layers,
        "num_decoder_layers": settings.decoder_layers,
        "num_heads": settings.num_heads,
        "d_kv": settings.head_dim(),
        "d_ff": settings.inner_width(),
        "relative_attention_num_buckets": settings.bias_buckets,
        "relative_attention_max_distance": settings.bias_distance,
        "layer_norm_epsilon": settings.norm_epsilon,
        "feed_forward_proj": if settings.glu { format!("gated-{activation}") } else { activation.to_owned() },
        "dropout_rate": settings.dropout,
        "is_encoder_decoder": true,
        "tie_word_embeddings": settings.tied_head,
        "use_cache": true,
    });
    if settings.tied_head != settings.scaled_head {
        config["scale_decoder_outputs"] = json!(settings.scaled_head);
    }
    if let Some(start) = settings.decoder_start {
        config["decoder_start_token_id"] = json!(start);
    }
    config
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = vec![HuggingFaceName::new("embeddings.word_embeddings.weight", "shared.weight")];
    for (stack, layers) in [("encoder", settings.num_layers), ("decoder", settings.decoder_layers)] {
        for layer in 0..layers {
            block(&mut rows, settings, stack, layer);
        }
        let mut name = |own: &str, theirs: &str| {
            rows.push(HuggingFaceName::new(format!("{stack}.{own}.weight"), format!("{stack}.{theirs}.weight")));
        };
        name("relative_attention_bias", "block.0.layer.0.SelfAttention.relative_attention_bias");
        name("LayerNorm", "final_layer_norm");
    }
    let table = |rows| {
        HuggingFaceTable::new("", rows)
            .copy("encoder.embed_tokens.weight", "shared.weight")
            .copy("decoder.embed_tokens.weight", "shared.weight")
            // Early files have one that nothing reads.
            .ignore("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight")
    };
    if settings.tied_head {
        return table(rows).copy("lm_head.weight", "shared.weight");
    }
    rows.push(HuggingFaceName::new("tokens.cls.predictions.decoder.weight", "lm_head.weight"));
    table(rows)
}

/// The weights of one block; those of a decoder look at the encoder's rows in between.
fn block(rows: &mut Vec<HuggingFaceName>, settings: &TransformerSettings, stack: &str, layer: usize) {
    let (own, theirs) = (format!("{stack}.layer.{layer}"), format!("{stack}.block.{layer}.layer"));
    let mut name = |part: &str, published: String, fills: Option<usize>| {
        let row = HuggingFaceName::new(format!("{own}.{part}.weight"), format!("{theirs}.{published}.weight"));
        rows.push(match fills {
            Some(half) => row.fills(0, half, 2),
            None => row,
        });
    };
    let mut attention = |kind: &str, number: usize, published: &str| {
        for (part, letter) in [("self.query", 'q'), ("self.key", 'k'), ("self.value", 'v'), ("output.dense", 'o')] {
            name(&format!("{kind}.{part}"), format!("{number}.{published}.{letter}"), None);
        }
        name(&format!("{kind}.output.LayerNorm"), format!("{number}.layer_norm"), None);
    };
    attention("attention", 0, "SelfAttention");
    let mut last = 1;
    if stack == "decoder" {
        attention("crossattention", 1, "EncDecAttention");
        last = 2;
    }
    if settings.glu {
        name("intermediate.dense", format!("{last}.DenseReluDense.wi_0"), Some(0));
        name("intermediate.dense", format!("{last}.DenseReluDense.wi_1"), Some(1));
    } else {
        name("intermediate.dense", format!("{last}.DenseReluDense.wi"), None);
    }
    name("output.dense", format!("{last}.DenseReluDense.wo"), None);
    name("output.LayerNorm", format!("{last}.layer_norm"), None);
}
