//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// Joint and in turn, every way to share and to replace. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("rtd");
    assert_conforms_with("rtd", &["objective.sharing=gdes", "objective.alternating=true", "objective.head=cls"]);
    assert_conforms_with("rtd", &["objective.sharing=none", "objective.everywhere=false", "objective.mask_rate=0.4"]);
    assert_conforms_with("rtd", &["objective.generator=tied", "objective.disallow_correct=true"]);
    assert_conforms_with("rtd", &["objective.generator=uniform", "objective.exact=false"]);
}
