//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// BERT, a decoder of today, and the other positions, norms and activations. One test: the suite counts the threads of the
/// process.
#[test]
fn conforms() {
    assert_conforms("transformer");
    let decoder = ["causal=true", "positions=rotary", "norm=rms", "pre_norm=true", "glu=true", "activation=silu"];
    let decoder: Vec<String> = decoder.iter().map(|setting| format!("model.{setting}")).collect();
    assert_conforms_with("transformer", &decoder.iter().map(String::as_str).collect::<Vec<_>>());
    assert_conforms_with("transformer", &["model.positions=alibi", "model.bias=false", "model.tied_head=false"]);
    assert_conforms_with("transformer", &["model.positions=sinusoidal", "model.activation=relu"]);
}
