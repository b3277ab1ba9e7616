//! Llama (Touvron et al. 2023, arXiv:2302.13971), whose architecture Yi shares, and Mistral (Jiang et al. 2023,
//! arXiv:2310.06825), which sees a window of the past. Their files keep the two matrices of the gated MLP apart.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;
use plugin_api::activation_name as activation;

pub(super) const LLAMA: Architecture =
    Architecture { model_type: "llama", settings: llama_settings, fits: fits_llama, config: llama_config, table };
pub(super) const MISTRAL: Architecture = Architecture {
    model_type: "mistral",
    settings: mistral_settings,
    fits: fits_mistral,
    config: mistral_config,
    table,
};

fn llama_settings(config: &Config<'_>) -> Result<Json> {
    let mut settings = settings(config)?;
    settings["num_key_value_heads"] =
        json!(config.count_or("num_key_value_heads", config.count("num_attention_heads")?)?);
    settings["norm_epsilon"] = json!(config.number("rms_norm_eps", 1e-6)?);
    settings["attention_bias"] = json!(config.flag("attention_bias", false)?);
    settings["mlp_bias"] = json!(config.flag("mlp_bias", false)?);
    Ok(settings)
}

fn mistral_settings(config: &Config<'_>) -> Result<Json> {
    config.must_be("layer_types", &Json::Null)?;
    let mut settings = settings(config)?;
    settings["num_key_value_heads"] = json!(config.count_or("num_key_value_heads", 8)?);
    if config.get("sliding_window").is_some() {
        settings["window"] = json!(config.count("sliding_window")?);
    }
    Ok(settings)
}

/// What both have.
fn settings(config: &Config<'_>) -> Result<Json> {
    let mut settings = json!({
        "width": config.count("hidden_size")?,
        "num_layers": config.count("num_hidden_layers")?,
        "num_heads": config.count("num_attention_heads")?,
        "ffn_width": config.count("intermediate_size")?,
        "maximum_length": config.count_or("max_position_embeddings", 2048)?,
        "causal": true,
        "positions": "rotary",
        "rotary_base": rotary_base(config)?,
        "norm": "rms",
        "norm_epsilon": config.number("rms_norm_eps", 1e-6)?,
        "pre_norm": true,
        "activation": config.activation("hidden_act", "silu")?,
        "glu": true,
        "bias": false,
        "dropout": 0.0,
        "attention_dropout": config.number("attention_dropout", 0.0)?,
        "initial_std": config.number("initializer_range", 0.02)?,
        "tied_head": config.flag("tie_word_embeddings", false)?,
    });
    if config.get("head_dim").is_some() {
        settings["head_dim"] = json!(config.count("head_dim")?);
    }
    Ok(settings)
}

/// The base of the angles; stretched ones are refused.
fn rotary_base(config: &Config<'_>) -> Result<f64> {
    for (key, kinds) in [("rope_parameters", ["rope_type", "type"]), ("rope_scaling", ["rope_type", "type"])] {
        let Some(given) = config.get(key) else { continue };
        let given = Config::new(given);
        for kind in kinds {
            if given.text(kind, "default")? != "default" {
                return Err(config.refused(key));
            }
        }
        if given.get("rope_theta").is_some() {
            return given.number("rope_theta", 10_000.0);
        }
    }
    config.number("rope_theta", 10_000.0)
}

fn fits_llama(settings: &TransformerSettings) -> bool {
    settings.causal && settings.positions == "rotary" && settings.window.is_none() && round_trips(&LLAMA, settings)
}

fn fits_mistral(settings: &TransformerSettings) -> bool {
    settings.causal && settings.positions == "rotary" && settings.window.is_some() && round_trips(&MISTRAL, settings)
}

fn llama_config(settings: &TransformerSettings) -> Json {
    let mut config = config(settings);
    config["architectures"] = json!(["LlamaModel"]);
    config["architectures_by_head"] = json!({ "none": "LlamaModel", "tokens": "LlamaForCausalLM" });
    config["attention_bias"] = json!(settings.attention_bias());
    config["mlp_bias"] = json!(settings.mlp_bias());
    config
}

fn mistral_config(settings: &TransformerSettings) -> Json {
    let mut config = config(settings);
    config["architectures"] = json!(["MistralModel"]);
    config["architectures_by_head"] = json!({ "none": "MistralModel", "tokens": "MistralForCausalLM" });
    config["sliding_window"] = json!(settings.window);
    config
}

fn config(settings: &TransformerSettings) -> Json {
    json!({
        "hidden_size": settings.width,
        "num_hidden_layers": settings.num_layers,
        "num_attention_heads": settings.num_heads,
        "num_key_value_heads": settings.key_value_heads(),
        "head_dim": settings.head_dim(),
        "intermediate_size": settings.inner_width(),
        "max_position_embeddings": settings.maximum_length,
        "rope_theta": settings.rotary_base,
        "rope_parameters": { "rope_type": "default", "rope_theta": settings.rotary_base },
        "rms_norm_eps": settings.norm_epsilon,
        "hidden_act": activation(&settings.activation),
        "attention_dropout": settings.attention_dropout,
        "initializer_range": settings.initial_std,
        "tie_word_embeddings": settings.tied_head,
        "use_cache": true,
    })
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = vec![HuggingFaceName::new("embeddings.word_embeddings.weight", "model.embed_tokens.weight")];
    let kinds = |bias: bool| if bias { &["weight", "bias"][..] } else { &["weight"] };
    for layer in 0..settings.num_layers {
        let (own, theirs) = (format!("encoder.layer.{layer}"), format!("model.layers.{layer}"));
        let mut name = |part: &str, published: &str, bias: bool, fills: Option<usize>| {
            for kind in kinds(bias) {
                let row = HuggingFaceName::new(format!("{own}.{part}.{kind}"), format!("{theirs}.{published}.{kind}"));
                rows.push(match fills {
                    Some(half) => row.fills(0, half, 2),
                    None => row,
                });
            }
        };
        for (part, published) in [
            ("attention.self.query", "self_attn.q_proj"),
            ("attention.self.key", "self_attn.k_proj"),
            ("attention.self.value", "self_attn.v_proj"),
            ("attention.output.dense", "self_attn.o_proj"),
        ] {
            name(part, published, settings.attention_bias(), None);
        }
        name("intermediate.dense", "mlp.gate_proj", settings.mlp_bias(), Some(0));
        name("intermediate.dense", "mlp.up_proj", settings.mlp_bias(), Some(1));
        name("output.dense", "mlp.down_proj", settings.mlp_bias(), None);
        name("attention.output.LayerNorm", "input_layernorm", false, None);
        name("output.LayerNorm", "post_attention_layernorm", false, None);
    }
    rows.push(HuggingFaceName::new("encoder.LayerNorm.weight", "model.norm.weight"));
    if settings.tied_head {
        return HuggingFaceTable::new("model.", rows)
            .copy("lm_head.weight", "model.embed_tokens.weight")
            .ignore("*rotary_emb.inv_freq");
    }
    rows.push(HuggingFaceName::new("tokens.cls.predictions.decoder.weight", "lm_head.weight"));
    HuggingFaceTable::new("model.", rows).ignore("*rotary_emb.inv_freq")
}
