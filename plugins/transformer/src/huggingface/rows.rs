//! Rows of a table of names.

use plugin_api::prelude::*;

use crate::settings::TransformerSettings;

/// Rows under way.
#[derive(Default)]
pub(crate) struct Rows(pub(crate) Vec<HuggingFaceName>);

impl Rows {
    /// One weight.
    pub(crate) fn one(&mut self, own: &str, theirs: &str) {
        self.0.push(HuggingFaceName::new(own, theirs));
    }

    /// `weight`, and `bias` where there is one, of a layer.
    pub(crate) fn layer(&mut self, own: &str, theirs: &str, bias: bool) {
        self.one(&format!("{own}.weight"), &format!("{theirs}.weight"));
        if bias {
            self.one(&format!("{own}.bias"), &format!("{theirs}.bias"));
        }
    }

    /// Layers that they keep as one, each below `prefix` on our side.
    pub(crate) fn fused(&mut self, own: &str, parts: &[&str], theirs: &str, bias: bool) {
        for (part, name) in parts.iter().enumerate() {
            for kind in ["weight", "bias"].iter().take(if bias { 2 } else { 1 }) {
                let row = HuggingFaceName::new(format!("{own}.{name}.{kind}"), format!("{theirs}.{kind}"));
                self.0.push(row.part(0, part, parts.len()));
            }
        }
    }

    /// What lies in `embeddings` by the same names below `prefix`.
    pub(crate) fn embeddings(&mut self, settings: &TransformerSettings, prefix: &str) {
        let mut tables = vec!["word_embeddings"];
        tables.extend((settings.positions == "learned").then_some("position_embeddings"));
        tables.extend((settings.token_types > 0).then_some("token_type_embeddings"));
        for table in tables {
            let name = format!("embeddings.{table}.weight");
            self.one(&name, &format!("{prefix}{name}"));
        }
        self.layer("embeddings.LayerNorm", &format!("{prefix}embeddings.LayerNorm"), true);
    }

    /// Blocks by the same names below `prefix`.
    pub(crate) fn blocks(&mut self, settings: &TransformerSettings, prefix: &str) {
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
                let name = format!("encoder.layer.{layer}.{part}");
                self.layer(&name, &format!("{prefix}{name}"), true);
            }
        }
    }

    /// A head of classes: a layer and, behind it, the last one; the last one alone under `alone` where the settings
    /// have no layer.
    pub(crate) fn classes(&mut self, settings: &TransformerSettings, layer: &str, last: &str, alone: &str) {
        if settings.pooler {
            self.layer("classes.pooler.dense", layer, true);
        }
        self.layer("classes.classifier", if settings.pooler { last } else { alone }, true);
    }
}

/// Of two biases that a token head has in their files, `bias` and `decoder.bias`, that which is used: they are one
/// where the head is tied, else the second alone counts.
pub(crate) fn bias(settings: &TransformerSettings, head: &str) -> String {
    if settings.tied_head { format!("{head}.bias") } else { format!("{head}.decoder.bias") }
}

/// What becomes of the other.
pub(crate) fn other_bias(settings: &TransformerSettings, table: HuggingFaceTable, head: &str) -> HuggingFaceTable {
    if settings.tied_head {
        table.copy(format!("{head}.decoder.bias"), format!("{head}.bias"))
    } else {
        table.unused(format!("{head}.bias"), format!("{head}.decoder.bias"))
    }
}

/// Settings that BERT and those that follow it share in their `config.json`.
pub(crate) fn bert_like(settings: &TransformerSettings) -> plugin_api::Json {
    plugin_api::json!({
        "hidden_size": settings.width,
        "num_hidden_layers": settings.num_layers,
        "num_attention_heads": settings.num_heads,
        "intermediate_size": settings.inner_width(),
        "hidden_act": plugin_api::activation_name(&settings.activation),
        "hidden_dropout_prob": settings.dropout,
        "attention_probs_dropout_prob": settings.attention_dropout,
        "layer_norm_eps": settings.norm_epsilon,
        "initializer_range": settings.initial_std,
        "tie_word_embeddings": settings.tied_head,
    })
}

/// The same read back.
pub(crate) fn settings_like_bert(config: &super::Config<'_>) -> Result<plugin_api::Json> {
    config.must_be("is_decoder", &plugin_api::json!(false))?;
    config.must_be("add_cross_attention", &plugin_api::json!(false))?;
    Ok(plugin_api::json!({
        "width": config.count("hidden_size")?,
        "num_layers": config.count("num_hidden_layers")?,
        "num_heads": config.count("num_attention_heads")?,
        "ffn_width": config.count("intermediate_size")?,
        "activation": config.activation("hidden_act", "gelu")?,
        "dropout": config.number("hidden_dropout_prob", 0.1)?,
        "attention_dropout": config.number("attention_probs_dropout_prob", 0.1)?,
        "norm_epsilon": config.number("layer_norm_eps", 1e-12)?,
        "initial_std": config.number("initializer_range", 0.02)?,
        "tied_head": config.flag("tie_word_embeddings", true)?,
        // Classifiers of single tokens have no layer of their own.
        "pooler": !config.is_for(&["ForTokenClassification", "ForQuestionAnswering"]),
    }))
}
