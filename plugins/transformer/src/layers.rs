//! The blocks, under the names they have in BERT.

use plugin_api::nn::{AttentionNames, AttentionOptions, Block, BlockNames, BlockOptions, MlpOptions};
use plugin_api::prelude::*;

use crate::settings::TransformerSettings;

const NAMES: BlockNames<'static> = BlockNames {
    attention: AttentionNames {
        query: "attention.self.query",
        key: "attention.self.key",
        value: "attention.self.value",
        output: "attention.output.dense",
        gate: "attention.self.gate",
        positions: ["attention.self.position_query", "attention.self.position_key"],
    },
    attention_norm: "attention.output.LayerNorm",
    cross: AttentionNames {
        query: "crossattention.self.query",
        key: "crossattention.self.key",
        value: "crossattention.self.value",
        output: "crossattention.output.dense",
        gate: "crossattention.self.gate",
        positions: ["crossattention.self.position_query", "crossattention.self.position_key"],
    },
    cross_norm: "crossattention.output.LayerNorm",
    mlp: ["intermediate.dense", "output.dense"],
    mlp_norm: "output.LayerNorm",
};

/// Block `index` of a stack, its weights below `scope`; `prefix` goes before its name. With `cross` it looks at a
/// memory too.
pub(crate) fn block(
    settings: &TransformerSettings,
    index: usize,
    scope: &Scope,
    prefix: &str,
    cross: bool,
) -> Result<Block> {
    let (init, output_init) = (Init::Normal(settings.initial_std), Init::Normal(settings.output_std()));
    let attention = AttentionOptions {
        key_bias: None,
        width: settings.width,
        num_heads: settings.num_heads,
        num_kv_heads: settings.key_value_heads(),
        head_dim: settings.head_dim(),
        bias: settings.attention_bias(),
        map_dropout: settings.attention_dropout,
        dropout: settings.dropout,
        rotary: settings.rotary_of(index),
        relative: settings.relative_terms(),
        gate: settings.attention_gate.then_some(settings.norm_epsilon),
        low_rank: settings.low_rank(),
        scale: settings.score_scale,
        init,
        output_init,
    };
    let mlp = MlpOptions {
        width: settings.width,
        ffn: settings.inner_width(),
        activation: settings.activation(),
        gated: settings.glu,
        bias: settings.mlp_bias(),
        first_bias: Some(settings.mlp_first_bias()),
        inner_norm: settings.mlp_norm.then_some(settings.norm_epsilon),
        dropout: settings.dropout,
        init,
        output_init,
    };
    let options = BlockOptions {
        layer_scale: None,
        attention,
        mlp,
        norm: settings.norm_kind(),
        epsilon: settings.norm_epsilon,
        pre_norm: settings.pre_norm,
        attention_norm: !settings.pre_norm || settings.first_norm || index > 0,
        cross,
    };
    Block::named(&scope.at(&index.to_string()), &format!("{prefix}layers.{index}"), &NAMES, options)
}
