//! ModernBERT: Warner et al. 2024, arXiv:2412.13663. Norms before, rotary positions, gated MLPs without biases, windows
//! in two blocks of three.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::rows::Rows;
use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;
use plugin_api::activation_name as activation;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "modernbert", settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    let [global, local] = ["full_attention", "sliding_attention"].map(|kind| {
        let parameters = config.get("rope_parameters").and_then(|all| all.get(kind));
        let usual = parameters.and_then(|of| of.get("rope_type")).is_none_or(|kind| kind == "default");
        usual.then(|| parameters.and_then(|of| of.get("rope_theta")).and_then(Json::as_f64))
    });
    let (Some(global), Some(local)) = (global, local) else { return Err(config.refused("rope_parameters")) };
    config.must_be("rope_scaling", &Json::Null)?;
    let global = global.map_or_else(|| config.number("global_rope_theta", 160_000.0), Ok)?;
    let local = match (local, config.get("local_rope_theta")) {
        (Some(local), _) => local,
        (None, _) => config.number("local_rope_theta", 10_000.0)?,
    };
    Ok(json!({
        "width": config.count("hidden_size")?,
        "num_layers": config.count("num_hidden_layers")?,
        "num_heads": config.count("num_attention_heads")?,
        "ffn_width": config.count("intermediate_size")?,
        "activation": config.activation("hidden_activation", "gelu")?,
        "glu": true,
        "maximum_length": config.count_or("max_position_embeddings", 8192)?,
        "positions": "rotary",
        "rotary_base": global,
        "local_rotary_base": local,
        "window": config.count_or("local_attention", 128)?,
        "global_every": global_every(config)?,
        "pre_norm": true,
        "first_norm": false,
        "embedding_norm": true,
        "norm_epsilon": config.number("norm_eps", 1e-5)?,
        "bias": false,
        "norm_bias": config.flag("norm_bias", false)?,
        "attention_bias": config.flag("attention_bias", false)?,
        "mlp_bias": config.flag("mlp_bias", false)?,
        "head_bias": config.flag("classifier_bias", false)?,
        "decoder_bias": config.flag("decoder_bias", true)?,
        "head_transform": true,
        "head_activation": config.activation("classifier_activation", "gelu")?,
        // Their layer before the classes is that before the tokens.
        "pooler": config.is_for(&["ForSequenceClassification", "ForTokenClassification", "ForMultipleChoice"]),
        "pooler_activation": config.activation("classifier_activation", "gelu")?,
        "pooler_norm": true,
        "dropout": config.number("mlp_dropout", 0.0)?,
        "attention_dropout": config.number("attention_dropout", 0.0)?,
        "initial_std": config.number("initializer_range", 0.02)?,
        "tied_head": config.flag("tie_word_embeddings", true)?,
    }))
}

/// Of `layer_types`, or of the number that older files have.
fn global_every(config: &Config<'_>) -> Result<u64> {
    let Some(kinds) = config.get("layer_types").and_then(Json::as_array) else {
        return config.count_or("global_attn_every_n_layers", 3);
    };
    let fits = |every: &usize| {
        kinds.iter().enumerate().all(|(layer, kind)| {
            kind == if layer.is_multiple_of(*every) { "full_attention" } else { "sliding_attention" }
        })
    };
    let usual = config.count_or("global_attn_every_n_layers", 3)? as usize;
    let every = std::iter::once(usual).filter(|usual| *usual > 0).chain(1..=kinds.len()).find(fits);
    every.map(|every| every as u64).ok_or_else(|| config.refused("layer_types"))
}

fn fits(settings: &TransformerSettings) -> bool {
    settings.window.is_some() && round_trips(&ARCHITECTURE, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    let kinds: Vec<&str> = (0..settings.num_layers)
        .map(|layer| if settings.is_local(layer) { "sliding_attention" } else { "full_attention" })
        .collect();
    let local = settings.local_rotary_base.unwrap_or(settings.rotary_base);
    let head = settings.head_activation.as_deref().unwrap_or(&settings.activation);
    json!({
        "architectures": ["ModernBertModel"],
        "architectures_by_head": {
            "none": "ModernBertModel",
            "tokens": "ModernBertForMaskedLM",
            "classes": "ModernBertForSequenceClassification",
        },
        "hidden_size": settings.width,
        "num_hidden_layers": settings.num_layers,
        "num_attention_heads": settings.num_heads,
        "intermediate_size": settings.inner_width(),
        "hidden_activation": activation(&settings.activation),
        "classifier_activation": activation(head),
        "classifier_pooling": "cls",
        "max_position_embeddings": settings.maximum_length,
        "norm_eps": settings.norm_epsilon,
        "norm_bias": settings.norm_kind() == plugin_api::nn::NormKind::Layer,
        "attention_bias": settings.attention_bias(),
        "mlp_bias": settings.mlp_bias(),
        "classifier_bias": settings.head_bias(),
        "decoder_bias": settings.decoder_bias(),
        "local_attention": settings.window.unwrap_or(128),
        "global_attn_every_n_layers": settings.global_every,
        "layer_types": kinds,
        "global_rope_theta": settings.rotary_base,
        "local_rope_theta": local,
        "rope_parameters": {
            "full_attention": { "rope_type": "default", "rope_theta": settings.rotary_base },
            "sliding_attention": { "rope_type": "default", "rope_theta": local },
        },
        "embedding_dropout": settings.dropout,
        "mlp_dropout": settings.dropout,
        "attention_dropout": settings.attention_dropout,
        "initializer_range": settings.initial_std,
        "tie_word_embeddings": settings.tied_head,
    })
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let norm_bias = settings.norm_kind() == plugin_api::nn::NormKind::Layer;
    let mut rows = Rows::default();
    rows.one("embeddings.word_embeddings.weight", "model.embeddings.tok_embeddings.weight");
    rows.layer("embeddings.LayerNorm", "model.embeddings.norm", norm_bias);
    for layer in 0..settings.num_layers {
        let (own, theirs) = (format!("encoder.layer.{layer}"), format!("model.layers.{layer}"));
        if layer > 0 || settings.first_norm {
            rows.layer(&format!("{own}.attention.output.LayerNorm"), &format!("{theirs}.attn_norm"), norm_bias);
        }
        let parts = ["query", "key", "value"];
        let (attention, mlp) = (settings.attention_bias(), settings.mlp_bias());
        rows.fused(&format!("{own}.attention.self"), &parts, &format!("{theirs}.attn.Wqkv"), attention);
        rows.layer(&format!("{own}.attention.output.dense"), &format!("{theirs}.attn.Wo"), attention);
        rows.layer(&format!("{own}.output.LayerNorm"), &format!("{theirs}.mlp_norm"), norm_bias);
        rows.layer(&format!("{own}.intermediate.dense"), &format!("{theirs}.mlp.Wi"), mlp);
        rows.layer(&format!("{own}.output.dense"), &format!("{theirs}.mlp.Wo"), mlp);
    }
    rows.layer("encoder.LayerNorm", "model.final_norm", norm_bias);
    let before = if settings.pooler { "classes.pooler" } else { "tokens.cls.predictions.transform" };
    rows.layer(&format!("{before}.dense"), "head.dense", settings.head_bias());
    rows.layer(&format!("{before}.LayerNorm"), "head.norm", norm_bias);
    if settings.pooler {
        rows.layer("classes.classifier", "classifier", true);
    } else {
        if settings.decoder_bias() {
            rows.one("tokens.cls.predictions.bias", "decoder.bias");
        }
        if !settings.tied_head {
            rows.one("tokens.cls.predictions.decoder.weight", "decoder.weight");
        }
    }
    let table = HuggingFaceTable::new("model.", rows.0).ignore("*inv_freq");
    if settings.tied_head && !settings.pooler {
        return table.copy("decoder.weight", "model.embeddings.tok_embeddings.weight");
    }
    table
}
