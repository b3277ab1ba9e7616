//! DeBERTa-v2 and -v3: He et al. 2020, arXiv:2006.03654, and 2021, arXiv:2111.09543. BERT's blocks with relative
//! positions in the scores, as the released code has them.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::rows::{Rows, bert_like, bias, other_bias, settings_like_bert};
use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "deberta-v2", settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    config.must_be("conv_kernel_size", &json!(0))?;
    config.must_be("embedding_size", &json!(config.count("hidden_size")?))?;
    let length = config.count_or("max_position_embeddings", 512)?;
    let mut settings = settings_like_bert(config)?;
    settings["norm_epsilon"] = json!(config.number("layer_norm_eps", 1e-7)?);
    settings["token_types"] = json!(config.count_or("type_vocab_size", 0)?);
    settings["maximum_length"] = json!(length);
    let absolute = config.flag("position_biased_input", true)?;
    settings["positions"] = json!(if absolute { "learned" } else { "none" });
    settings["pooler_activation"] = match config.text("pooler_hidden_act", "gelu")? {
        "tanh" => json!("tanh"),
        _ => json!(config.activation("pooler_hidden_act", "gelu")?),
    };
    let terms = terms(config)?;
    let relative = config.flag("relative_attention", false)?;
    if relative == terms.is_empty() {
        // Without either of both the scale of scores or a table of vectors would be there for nothing.
        return Err(config.refused("pos_att_type"));
    }
    settings["relative_terms"] = json!(terms);
    if relative {
        settings["relative_buckets"] = json!(config.whole("position_buckets", -1)?.max(0));
        let maximum = config.whole("max_relative_positions", -1)?;
        settings["relative_maximum"] = if maximum < 1 { json!(length) } else { json!(maximum) };
        settings["relative_shared"] = json!(config.flag("share_att_key", false)?);
        let norms = config.text("norm_rel_ebd", "none")?.to_lowercase();
        settings["relative_norm"] = json!(norms.split('|').any(|norm| norm.trim() == "layer_norm"));
    }
    Ok(settings)
}

/// `pos_att_type` is a list, or a text with bars.
fn terms(config: &Config<'_>) -> Result<Vec<String>> {
    let mut terms = match config.get("pos_att_type") {
        None => Vec::new(),
        Some(Json::String(text)) => {
            text.to_lowercase().split('|').map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
        }
        Some(list) => {
            let texts = list.as_array().into_iter().flatten().filter_map(Json::as_str);
            texts.map(str::to_lowercase).collect::<Vec<_>>()
        }
    };
    if terms.iter().any(|term| term != "c2p" && term != "p2c") {
        return Err(config.refused("pos_att_type"));
    }
    terms.sort();
    terms.dedup();
    Ok(terms)
}

fn fits(settings: &TransformerSettings) -> bool {
    !settings.relative_terms.is_empty() && round_trips(&ARCHITECTURE, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    let mut config = bert_like(settings);
    config["architectures"] = json!(["DebertaV2Model"]);
    let for_classes =
        if settings.pooler { "DebertaV2ForSequenceClassification" } else { "DebertaV2ForTokenClassification" };
    config["architectures_by_head"] =
        json!({ "none": "DebertaV2Model", "tokens": "DebertaV2ForMaskedLM", "classes": for_classes });
    config["max_position_embeddings"] = json!(settings.maximum_length);
    config["type_vocab_size"] = json!(settings.token_types);
    config["position_biased_input"] = json!(settings.positions == "learned");
    config["relative_attention"] = json!(!settings.relative_terms.is_empty());
    config["pos_att_type"] = json!(settings.relative_terms);
    config["position_buckets"] =
        if settings.relative_buckets > 0 { json!(settings.relative_buckets) } else { json!(-1) };
    config["max_relative_positions"] = json!(settings.relative_maximum);
    config["share_att_key"] = json!(settings.relative_shared);
    config["norm_rel_ebd"] = json!(if settings.relative_norm { "layer_norm" } else { "none" });
    config["pooler_hidden_size"] = json!(settings.width);
    config["pooler_hidden_act"] = json!(plugin_api::activation_name(&settings.pooler_activation));
    config["legacy"] = json!(true);
    config
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = Rows::default();
    rows.embeddings(settings, "deberta.");
    rows.blocks(settings, "deberta.");
    for row in &mut rows.0 {
        for part in ["query", "key", "value"] {
            row.theirs = row.theirs.replace(&format!(".self.{part}."), &format!(".self.{part}_proj."));
        }
    }
    if let Some(terms) = settings.relative_terms() {
        rows.one("encoder.rel_embeddings.weight", "deberta.encoder.rel_embeddings.weight");
        if settings.relative_norm {
            rows.layer("encoder.rel_embeddings.LayerNorm", "deberta.encoder.LayerNorm", true);
        }
        for layer in 0..settings.num_layers {
            let own = format!("encoder.layer.{layer}.attention.self");
            if !terms.shared && terms.content_to_position {
                rows.layer(&format!("{own}.position_key"), &format!("deberta.{own}.pos_key_proj"), true);
            }
            if !terms.shared && terms.position_to_content {
                rows.layer(&format!("{own}.position_query"), &format!("deberta.{own}.pos_query_proj"), true);
            }
        }
    }
    // The head has two names: that of transformers, and that of the published files and of `legacy: false`.
    for theirs in ["cls.predictions.transform", "lm_predictions.lm_head"] {
        for part in ["dense", "LayerNorm"] {
            rows.layer(&format!("tokens.cls.predictions.transform.{part}"), &format!("{theirs}.{part}"), true);
        }
    }
    rows.one("tokens.cls.predictions.bias", &bias(settings, "cls.predictions"));
    rows.one("tokens.cls.predictions.bias", "lm_predictions.lm_head.bias");
    if !settings.tied_head {
        rows.one("tokens.cls.predictions.decoder.weight", "cls.predictions.decoder.weight");
    }
    rows.classes(settings, "pooler.dense", "classifier", "classifier");
    let mut table = other_bias(settings, HuggingFaceTable::new("deberta.", rows.0), "cls.predictions")
        .ignore("*embeddings.position_ids")
        .ignore("mask_predictions.*");
    if settings.positions != "learned" {
        // Published files have it and no use for it.
        table = table.ignore("*embeddings.position_embeddings.weight");
    }
    if settings.tied_head {
        table = table.copy("cls.predictions.decoder.weight", "deberta.embeddings.word_embeddings.weight");
    }
    table
}
