//! BERT: Devlin et al. 2018, arXiv:1810.04805; the family's own names are its names.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;
use plugin_api::activation_name as activation;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "bert", settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    config.must_be("position_embedding_type", &json!("absolute"))?;
    config.must_be("is_decoder", &json!(false))?;
    config.must_be("add_cross_attention", &json!(false))?;
    Ok(json!({
        "width": config.count("hidden_size")?,
        "num_layers": config.count("num_hidden_layers")?,
        "num_heads": config.count("num_attention_heads")?,
        "ffn_width": config.count("intermediate_size")?,
        "maximum_length": config.count("max_position_embeddings")?,
        "token_types": config.count_or("type_vocab_size", 2)?,
        "activation": config.activation("hidden_act", "gelu")?,
        "dropout": config.number("hidden_dropout_prob", 0.1)?,
        "attention_dropout": config.number("attention_probs_dropout_prob", 0.1)?,
        "norm_epsilon": config.number("layer_norm_eps", 1e-12)?,
        "initial_std": config.number("initializer_range", 0.02)?,
        "tied_head": config.flag("tie_word_embeddings", true)?,
        // Classifiers of single tokens have none.
        "pooler": !config.is_for(&["ForTokenClassification", "ForQuestionAnswering"]),
    }))
}

fn fits(settings: &TransformerSettings) -> bool {
    round_trips(&ARCHITECTURE, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    let for_classes = if settings.pooler { "BertForSequenceClassification" } else { "BertForTokenClassification" };
    json!({
        "architectures": ["BertModel"],
        "architectures_by_head": { "none": "BertModel", "tokens": "BertForMaskedLM", "classes": for_classes },
        "hidden_size": settings.width,
        "num_hidden_layers": settings.num_layers,
        "num_attention_heads": settings.num_heads,
        "intermediate_size": settings.inner_width(),
        "max_position_embeddings": settings.maximum_length,
        "type_vocab_size": settings.token_types.max(1),
        "hidden_act": activation(&settings.activation),
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.attention_dropout,
        "layer_norm_eps": settings.norm_epsilon,
        "initializer_range": settings.initial_std,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": settings.tied_head,
        "use_cache": true,
    })
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut names: Vec<String> =
        ["word_embeddings", "position_embeddings"].map(|part| format!("embeddings.{part}.weight")).into();
    if settings.token_types > 0 {
        names.push("embeddings.token_type_embeddings.weight".to_owned());
    }
    names.extend(["weight", "bias"].map(|kind| format!("embeddings.LayerNorm.{kind}")));
    for layer in 0..settings.num_layers {
        for part in [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "attention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
        ] {
            names.extend(["weight", "bias"].map(|kind| format!("encoder.layer.{layer}.{part}.{kind}")));
        }
    }
    let mut rows: Vec<_> = names.iter().map(|name| HuggingFaceName::new(name, format!("bert.{name}"))).collect();
    let mut head = Vec::new();
    for part in ["dense", "LayerNorm"] {
        head.extend(["weight", "bias"].map(|kind| format!("cls.predictions.transform.{part}.{kind}")));
    }
    if !settings.tied_head {
        head.push("cls.predictions.decoder.weight".to_owned());
    }
    rows.extend(head.into_iter().map(|name| HuggingFaceName::new(format!("tokens.{name}"), name)));
    rows.push(HuggingFaceName::new("tokens.cls.predictions.bias", super::rows::bias(settings, "cls.predictions")));
    for kind in ["weight", "bias"] {
        if settings.pooler {
            let name = format!("pooler.dense.{kind}");
            rows.push(HuggingFaceName::new(format!("classes.{name}"), format!("bert.{name}")));
        }
        let own = format!("classes.classifier.{kind}");
        rows.push(HuggingFaceName::new(&own, format!("classifier.{kind}")));
        // Which of two sentences follows: classes too.
        rows.push(HuggingFaceName::new(&own, format!("cls.seq_relationship.{kind}")));
    }
    let mut table = super::rows::other_bias(settings, HuggingFaceTable::new("bert.", rows), "cls.predictions")
        .ignore("*embeddings.position_ids")
        .ignore("*embeddings.token_type_ids");
    if settings.token_types == 0 {
        table = table.zero("bert.embeddings.token_type_embeddings.weight", &[1, settings.width]);
    }
    if settings.tied_head {
        table = table.copy("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight");
    }
    table
}
