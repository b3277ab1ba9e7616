//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// BERT, a decoder of today, and the other positions, norms and activations. One test: the suite counts the threads of
/// the process.
#[test]
fn conforms() {
    assert_conforms("transformer");
    let decoder = ["causal=true", "positions=rotary", "norm=rms", "pre_norm=true", "glu=true", "activation=silu"];
    let decoder: Vec<String> = decoder.iter().map(|setting| format!("model.{setting}")).collect();
    assert_conforms_with("transformer", &decoder.iter().map(String::as_str).collect::<Vec<_>>());
    assert_conforms_with("transformer", &["model.positions=alibi", "model.bias=false", "model.tied_head=false"]);
    assert_conforms_with("transformer", &["model.positions=sinusoidal", "model.activation=relu"]);
    let relative = ["positions=none", "relative_terms=[\"c2p\",\"p2c\"]", "relative_buckets=4", "relative_maximum=12"];
    with(&relative);
    let ltg = ["norm=plain", "pre_norm=true", "glu=true", "mlp_norm=true", "attention_gate=true", "aggregate=true"];
    with(
        &[&relative[..], &ltg, &["embedding_norm=true", "head_transform=true", "mlp_bias=false", "causal=true"]]
            .concat(),
    );
    with(&["positions=rotary", "pre_norm=true", "first_norm=false", "window=6", "global_every=2", "bias=false"]);
    with(&[
        "embedding_width=12",
        "position_offset=2",
        "vocabulary_multiple=64",
        "scalar_transform=true",
        "lora_rank=2",
    ]);
}

fn with(settings: &[&str]) {
    let settings: Vec<String> = settings.iter().map(|setting| format!("model.{setting}")).collect();
    assert_conforms_with("transformer", &settings.iter().map(String::as_str).collect::<Vec<_>>());
}
