//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// Classes and scores, every pooling, both directions. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("classify");
    for pooling in ["mean", "last"] {
        assert_conforms_with("classify", &[&format!("objective.pooling={pooling}"), "objective.dropout=0.3"]);
    }
    assert_conforms_with("classify", &["objective.class_weights=[0.5, 2.0, 1.0]", "objective.label_smoothing=0.05"]);
    assert_conforms_with("classify", &["objective.kind=score", "objective.dropout=0.0"]);
    assert_conforms_with("classify", &["model.causal=true", "model.pooler=false"]);
}
