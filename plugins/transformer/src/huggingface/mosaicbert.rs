//! MosaicBERT: Portes et al. 2023, arXiv:2312.17482. BERT with ALiBi in place of positions and gated MLPs; its files
//! call it `bert` and are told apart by `alibi_starting_size`.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::rows::{Rows, bert_like, settings_like_bert};
use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;

/// How this family calls it where their name is not enough.
pub(super) const NAME: &str = "mosaicbert";
/// The key that only its files have.
pub(super) const KEY: &str = "alibi_starting_size";

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: NAME, settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    let mut settings = settings_like_bert(config)?;
    settings["positions"] = json!("alibi");
    settings["token_types"] = json!(config.count_or("type_vocab_size", 2)?);
    settings["maximum_length"] = json!(config.count_or("max_position_embeddings", 512)?);
    settings["glu"] = json!(true);
    settings["mlp_first_bias"] = json!(false);
    Ok(settings)
}

fn fits(settings: &TransformerSettings) -> bool {
    settings.positions == "alibi" && round_trips(&ARCHITECTURE, settings)
}

fn config(settings: &TransformerSettings) -> Json {
    let mut config = bert_like(settings);
    config["model_type"] = json!("bert");
    config["architectures"] = json!(["BertModel"]);
    let for_classes = if settings.pooler { "BertForSequenceClassification" } else { "BertForTokenClassification" };
    config["architectures_by_head"] =
        json!({ "none": "BertModel", "tokens": "BertForMaskedLM", "classes": for_classes });
    config[KEY] = json!(settings.maximum_length);
    config["max_position_embeddings"] = json!(settings.maximum_length);
    config["type_vocab_size"] = json!(settings.token_types.max(1));
    config
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = Rows::default();
    rows.embeddings(settings, "bert.");
    for layer in 0..settings.num_layers {
        let own = format!("encoder.layer.{layer}");
        let theirs = format!("bert.{own}");
        let parts = ["query", "key", "value"];
        rows.fused(&format!("{own}.attention.self"), &parts, &format!("{theirs}.attention.self.Wqkv"), true);
        for part in ["attention.output.dense", "attention.output.LayerNorm"] {
            rows.layer(&format!("{own}.{part}"), &format!("{theirs}.{part}"), true);
        }
        rows.layer(&format!("{own}.intermediate.dense"), &format!("{theirs}.mlp.gated_layers"), false);
        rows.layer(&format!("{own}.output.dense"), &format!("{theirs}.mlp.wo"), true);
        rows.layer(&format!("{own}.output.LayerNorm"), &format!("{theirs}.mlp.layernorm"), true);
    }
    for part in ["dense", "LayerNorm"] {
        let name = format!("cls.predictions.transform.{part}");
        rows.layer(&format!("tokens.{name}"), &name, true);
    }
    rows.one("tokens.cls.predictions.bias", "cls.predictions.decoder.bias");
    rows.one("tokens.cls.predictions.bias", "cls.predictions.bias");
    if !settings.tied_head {
        rows.one("tokens.cls.predictions.decoder.weight", "cls.predictions.decoder.weight");
    }
    rows.classes(settings, "bert.pooler.dense", "classifier", "classifier");
    let mut table = HuggingFaceTable::new("bert.", rows.0)
        .ignore("*encoder.alibi")
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
