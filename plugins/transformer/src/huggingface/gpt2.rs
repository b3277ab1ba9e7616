//! GPT-2: Radford et al. 2019. Its files keep matrices transposed, and query, key and value in one.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "gpt2", settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    config.must_be("scale_attn_weights", &json!(true))?;
    config.must_be("scale_attn_by_inverse_layer_idx", &json!(false))?;
    config.must_be("add_cross_attention", &json!(false))?;
    let mut settings = json!({
        "width": config.count_or("n_embd", 768)?,
        "num_layers": config.count_or("n_layer", 12)?,
        "num_heads": config.count_or("n_head", 12)?,
        "maximum_length": config.count_or("n_positions", 1024)?,
        "causal": true,
        "pre_norm": true,
        "norm_epsilon": config.number("layer_norm_epsilon", 1e-5)?,
        "activation": config.activation("activation_function", "gelu_new")?,
        "dropout": config.number("resid_pdrop", 0.1)?,
        "attention_dropout": config.number("attn_pdrop", 0.1)?,
        "initial_std": config.number("initializer_range", 0.02)?,
        "tied_head": config.flag("tie_word_embeddings", true)?,
        "decoder_bias": false,
    });
    if config.get("n_inner").is_some() {
        settings["ffn_width"] = json!(config.count("n_inner")?);
    }
    Ok(settings)
}

fn fits(settings: &TransformerSettings) -> bool {
    settings.causal && settings.positions == "learned" && round_trips(&ARCHITECTURE, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    json!({
        "architectures": ["GPT2Model"],
        "architectures_by_head": { "none": "GPT2Model", "tokens": "GPT2LMHeadModel" },
        "n_embd": settings.width,
        "n_layer": settings.num_layers,
        "n_head": settings.num_heads,
        "n_inner": settings.inner_width(),
        "n_positions": settings.maximum_length,
        "activation_function": if settings.activation == "gelu_tanh" { "gelu_new" } else { &settings.activation },
        "layer_norm_epsilon": settings.norm_epsilon,
        "resid_pdrop": settings.dropout,
        "embd_pdrop": settings.dropout,
        "attn_pdrop": settings.attention_dropout,
        "initializer_range": settings.initial_std,
        "tie_word_embeddings": settings.tied_head,
        "use_cache": true,
    })
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = vec![
        HuggingFaceName::new("embeddings.word_embeddings.weight", "transformer.wte.weight"),
        HuggingFaceName::new("embeddings.position_embeddings.weight", "transformer.wpe.weight"),
    ];
    for layer in 0..settings.num_layers {
        let (own, theirs) = (format!("encoder.layer.{layer}"), format!("transformer.h.{layer}"));
        let name = |part: &str, published: &str| {
            HuggingFaceName::new(format!("{own}.{part}"), format!("{theirs}.{published}"))
        };
        for (part, layer_of_three) in ["query", "key", "value"].into_iter().zip(0..) {
            let weight = name(&format!("attention.self.{part}.weight"), "attn.c_attn.weight");
            rows.push(weight.transposed().part(0, layer_of_three, 3));
            let bias = name(&format!("attention.self.{part}.bias"), "attn.c_attn.bias");
            rows.push(bias.part(0, layer_of_three, 3));
        }
        for (part, published) in [
            ("attention.output.dense", "attn.c_proj"),
            ("intermediate.dense", "mlp.c_fc"),
            ("output.dense", "mlp.c_proj"),
        ] {
            rows.push(name(&format!("{part}.weight"), &format!("{published}.weight")).transposed());
            rows.push(name(&format!("{part}.bias"), &format!("{published}.bias")));
        }
        for (part, published) in [("attention.output.LayerNorm", "ln_1"), ("output.LayerNorm", "ln_2")] {
            let of_kind = |kind| name(&format!("{part}.{kind}"), &format!("{published}.{kind}"));
            rows.extend(["weight", "bias"].map(of_kind));
        }
    }
    rows.extend(
        ["weight", "bias"]
            .map(|kind| HuggingFaceName::new(format!("encoder.LayerNorm.{kind}"), format!("transformer.ln_f.{kind}"))),
    );
    let table = |rows| HuggingFaceTable::new("transformer.", rows).ignore("*.attn.bias").ignore("*.attn.masked_bias");
    if settings.tied_head {
        return table(rows).copy("lm_head.weight", "transformer.wte.weight");
    }
    rows.push(HuggingFaceName::new("tokens.cls.predictions.decoder.weight", "lm_head.weight"));
    table(rows)
}
