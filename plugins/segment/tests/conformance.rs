//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// With and without class token and dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms_in("segment", "vit", &["model.positions=sincos"]);
    assert_conforms_in("segment", "vit", &["model.class_token=false", "objective.dropout=0.1"]);
}
