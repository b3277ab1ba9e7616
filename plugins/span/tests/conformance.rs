//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// All tasks on one decoder. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("span");
    assert_conforms_with("span", &["objective.task=prefix", "objective.z_loss=0.0001"]);
    assert_conforms_with("span", &["objective.task=full", "objective.attention=causal"]);
    assert_conforms_with("span", &["objective.attention=causal"]);
}
