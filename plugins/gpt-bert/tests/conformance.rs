//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// Masked samples, causal ones, and both. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("gpt-bert");
    assert_conforms_with(
        "gpt-bert",
        &["objective.causal_share=0.5", "objective.masked_share=1.0", "objective.random_share=0.0"],
    );
    assert_conforms_with("gpt-bert", &["objective.causal_share=1.0"]);
}
