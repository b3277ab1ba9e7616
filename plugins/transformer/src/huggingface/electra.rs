//! ELECTRA, generator and discriminator: Clark et al. 2020, arXiv:2003.10555. BERT's blocks behind embeddings of a
//! width of their own.

use plugin_api::prelude::*;
use plugin_api::{Json, json};

use super::rows::{Rows, bert_like, settings_like_bert};
use super::{Architecture, Config, round_trips};
use crate::settings::TransformerSettings;

pub(super) const ARCHITECTURE: Architecture = Architecture { model_type: "electra", settings, fits, config, table };

fn settings(config: &Config<'_>) -> Result<Json> {
    config.must_be("position_embedding_type", &json!("absolute"))?;
    let mut settings = settings_like_bert(config)?;
    settings["maximum_length"] = json!(config.count("max_position_embeddings")?);
    settings["token_types"] = json!(config.count_or("type_vocab_size", 2)?);
    settings["embedding_width"] = json!(config.count_or("embedding_size", 128)?);
    settings["head_activation"] = json!("gelu");
    settings["pooler_activation"] = json!("gelu");
    settings["scalar_transform"] = json!(true);
    Ok(settings)
}

fn fits(settings: &TransformerSettings) -> bool {
    if settings.embedding_width.is_none() && !settings.scalar_transform {
        return false;
    }
    // A generator need not have said that the other's head would have a layer.
    let said = TransformerSettings {
        embedding_width: Some(settings.embedding_width()),
        scalar_transform: true,
        ..settings.clone()
    };
    round_trips(&ARCHITECTURE, &said)
}

fn config(settings: &TransformerSettings) -> Json {
    let mut config = bert_like(settings);
    config["architectures"] = json!(["ElectraModel"]);
    let for_classes =
        if settings.pooler { "ElectraForSequenceClassification" } else { "ElectraForTokenClassification" };
    config["architectures_by_head"] = json!({
        "none": "ElectraModel",
        "tokens": "ElectraForMaskedLM",
        "scalar": "ElectraForPreTraining",
        "classes": for_classes,
    });
    config["embedding_size"] = json!(settings.embedding_width());
    config["max_position_embeddings"] = json!(settings.maximum_length);
    config["type_vocab_size"] = json!(settings.token_types.max(1));
    config
}

fn table(settings: &TransformerSettings) -> HuggingFaceTable {
    let mut rows = Rows::default();
    rows.embeddings(settings, "electra.");
    if settings.embedding_width() != settings.width {
        rows.layer("embeddings_project", "electra.embeddings_project", true);
    }
    rows.blocks(settings, "electra.");
    rows.layer("tokens.cls.predictions.transform.dense", "generator_predictions.dense", true);
    rows.layer("tokens.cls.predictions.transform.LayerNorm", "generator_predictions.LayerNorm", true);
    rows.one("tokens.cls.predictions.bias", "generator_lm_head.bias");
    if !settings.tied_head {
        rows.one("tokens.cls.predictions.decoder.weight", "generator_lm_head.weight");
    }
    if settings.scalar_transform {
        rows.layer("scalar.transform.dense", "discriminator_predictions.dense", true);
        rows.layer("scalar.score", "discriminator_predictions.dense_prediction", true);
    }
    rows.classes(settings, "classifier.dense", "classifier.out_proj", "classifier");
    let mut table = HuggingFaceTable::new("electra.", rows.0)
        .ignore("*embeddings.position_ids")
        .ignore("*embeddings.token_type_ids");
    if settings.token_types == 0 {
        let shape = [1, settings.embedding_width()];
        table = table.zero("electra.embeddings.token_type_embeddings.weight", &shape);
    }
    if settings.tied_head {
        table = table.copy("generator_lm_head.weight", "electra.embeddings.word_embeddings.weight");
    }
    table
}
