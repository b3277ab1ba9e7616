//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// Both kinds of positions, with and without a class token, pixels and codes. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("vit");
    assert_conforms_with("vit", &["model.positions=sincos", "model.initial=xavier", "model.dropout=0.2"]);
    assert_conforms_with("vit", &["model.class_token=false"]);
    let beit = ["model.positions=none", "model.relative_bias=each", "model.layer_scale=0.1", "model.key_bias=false"];
    assert_conforms_with("vit", &[&beit[..], &["model.final_norm=false", "model.head_norm=true"]].concat());
    assert_conforms_with("vit", &["model.codes=3", "model.labels=2"]);
    assert_conforms_with("vit", &["model.relative_bias=shared", "model.class_token=false"]);
}
