//! RoBERTa (Liu et al. 2019, arXiv:1907.11692), and those that took it over: XLM-RoBERTa, CamemBERT. BERT's blocks;
//! positions are counted from the padding token's id on.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::rows::{Rows, bert_like, bias, other_bias, settings_like_bert};
use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "roberta", settings, fits, config, table };
pub(super) const XLM_ROBERTA: Architecture =
    Architecture { model_type: "xlm-roberta", settings, fits: never, config, table };
pub(super) const CAMEMBERT: Architecture =
    Architecture { model_type: "camembert", settings, fits: never, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    config.must_be("position_embedding_type", &json!("absolute"))?;
    let offset = config.count_or("pad_token_id", 1)? + 1;
    let positions = config.count("max_position_embeddings")?;
    let mut settings = settings_like_bert(config)?;
    settings["position_offset"] = json!(offset);
    settings["maximum_length"] =
        json!(positions.checked_sub(offset).filter(|left| *left > 0).ok_or_else(|| config.refused("pad_token_id"))?);
    settings["token_types"] = json!(config.count_or("type_vocab_size", 2)?);
    settings["head_activation"] = json!("gelu");
    Ok(settings)
}

/// Exports are RoBERTa's own.
fn never(_: &TransformerSettings) -> bool {
    false
}

fn fits(settings: &TransformerSettings) -> bool {
    settings.position_offset > 0 && round_trips(&ARCHITECTURE, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    let mut config = bert_like(settings);
    config["architectures"] = json!(["RobertaModel"]);
    let for_classes =
        if settings.pooler { "RobertaForSequenceClassification" } else { "RobertaForTokenClassification" };
    config["architectures_by_head"] =
        json!({ "none": "RobertaModel", "tokens": "RobertaForMaskedLM", "classes": for_classes });
    config["max_position_embeddings"] = json!(settings.maximum_length + settings.position_offset);
    config["pad_token_id"] = json!(settings.position_offset.saturating_sub(1));
    config["type_vocab_size"] = json!(settings.token_types.max(1));
    config
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = Rows::default();
    rows.embeddings(settings, "roberta.");
    rows.blocks(settings, "roberta.");
    rows.layer("tokens.cls.predictions.transform.dense", "lm_head.dense", true);
    rows.layer("tokens.cls.predictions.transform.LayerNorm", "lm_head.layer_norm", true);
    rows.one("tokens.cls.predictions.bias", &bias(settings, "lm_head"));
    if !settings.tied_head {
        rows.one("tokens.cls.predictions.decoder.weight", "lm_head.decoder.weight");
    }
    rows.classes(settings, "classifier.dense", "classifier.out_proj", "classifier");
    if settings.pooler {
        // The bare model has a layer of the same kind.
        rows.layer("classes.pooler.dense", "roberta.pooler.dense", true);
    }
    let mut table = other_bias(settings, HuggingFaceTable::new("roberta.", rows.0), "lm_head")
        .ignore("*embeddings.position_ids")
        .ignore("*embeddings.token_type_ids");
    if settings.token_types == 0 {
        table = table.zero("roberta.embeddings.token_type_embeddings.weight", &[1, settings.width]);
    }
    if settings.tied_head {
        table = table.copy("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight");
    }
    table
}
