//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// With and without gaps. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("meap");
    assert_conforms_with("meap", &["objective.mask_rate=0.0"]);
}
