//! The names of BERT's weights in Hugging Face files.

use plugin_api::prelude::*;

use crate::Transformer;
use crate::settings::{Positions, TransformerSettings};

impl HuggingFace for Transformer {
    /// The names below `bert.`; heads have their kind in front of their own names. Empty when the settings are not those
    /// of a BERT, since no published file would fit then.
    fn names(&self) -> Vec<HuggingFaceName> {
        table(&self.settings)
    }
}

fn table(settings: &TransformerSettings) -> Vec<HuggingFaceName> {
    if !is_bert(settings) {
        return Vec::new();
    }
    let mut names = vec![
        "embeddings.word_embeddings.weight".to_owned(),
        "embeddings.position_embeddings.weight".to_owned(),
        "embeddings.LayerNorm.weight".to_owned(),
        "embeddings.LayerNorm.bias".to_owned(),
    ];
    if settings.token_types > 0 {
        names.push("embeddings.token_type_embeddings.weight".to_owned());
    }
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
    let mut head = vec!["cls.predictions.bias"];
    if settings.has_head_transform() {
        head.extend([
            "cls.predictions.transform.dense.weight",
            "cls.predictions.transform.dense.bias",
            "cls.predictions.transform.LayerNorm.weight",
            "cls.predictions.transform.LayerNorm.bias",
        ]);
    }
    if !settings.tied_head {
        head.push("cls.predictions.decoder.weight");
    }
    rows.extend(head.into_iter().map(|name| HuggingFaceName::new(format!("tokens.{name}"), name)));
    if settings.pooler {
        let pooler = ["pooler.dense.weight", "pooler.dense.bias"];
        rows.extend(pooler.map(|name| HuggingFaceName::new(format!("classes.{name}"), format!("bert.{name}"))));
    }
    rows
}

/// Whether the settings are of BERT's kind; sizes are free.
fn is_bert(settings: &TransformerSettings) -> bool {
    settings.position_kind() == Positions::Learned
        && !settings.pre_norm
        && !settings.causal
        && !settings.glu
        && settings.norm == "layer"
        && settings.bias
        && settings.has_embedding_norm()
        && settings.key_value_heads() == settings.num_heads
}
