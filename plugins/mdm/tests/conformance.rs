//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// Both bounds, cut samples, prompts. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("mdm");
    assert_conforms_with("mdm", &["objective.bound=time-free", "objective.random_length_share=0.5"]);
    assert_conforms_with("mdm", &["objective.conditional=true", "objective.separator=32", "objective.hide_prompt=0.5"]);
}
