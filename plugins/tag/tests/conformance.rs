//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// Both directions. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("tag");
    assert_conforms_with("tag", &["objective.dropout=0.3", "objective.scheme=none"]);
    assert_conforms_with("tag", &["model.causal=true"]);
}
