//! What every plugin has to hold, of an encoder–decoder: both halves are reached, gradients are right, samples apart.

use lacuna::conformance::assert_conforms_with;

/// T5, with the three kinds of attention and grouped queries. One test: the suite counts the threads of the process.
#[test]
fn encoder_decoders_conform() {
    let settings = [
        "decoder_layers=2",
        "positions=relative",
        "bias_buckets=6",
        "bias_distance=5",
        "score_scale=1.0",
        "norm=rms",
        "pre_norm=true",
        "glu=true",
        "activation=gelu_tanh",
        "bias=false",
        "scaled_head=true",
        "head_dim=6",
    ];
    let settings: Vec<String> = settings.iter().map(|setting| format!("model.{setting}")).collect();
    assert_conforms_with("transformer", &settings.iter().map(String::as_str).collect::<Vec<_>>());
    assert_conforms_with("transformer", &["model.decoder_layers=1", "model.num_key_value_heads=1"]);
}
