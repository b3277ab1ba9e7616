//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// All tasks. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("structural");
    for tokens in ["objective.tokens=slm", "objective.tokens=c-rts"] {
        assert_conforms_with("structural", &[tokens, "objective.rate=0.4"]);
    }
    let embeddings = ["objective.tokens=c-rts", "objective.clustering=embeddings", "objective.clusters=8"];
    assert_conforms_with("structural", &embeddings);
}
