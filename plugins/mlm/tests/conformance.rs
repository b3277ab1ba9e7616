//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// All ways of choosing. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("mlm");
    for unit in ["objective.unit=word", "objective.unit=span"] {
        assert_conforms_with("mlm", &[unit, "objective.mask_rate=0.4"]);
    }
    assert_conforms_with("mlm", &["objective.exact=true"]);
}
