//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

use lacuna::conformance::{assert_conforms, assert_conforms_with};

/// All tasks. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms("structural");
    for tokens in ["objective.tokens=slm", "objective.tokens=c-rts"] {
        assert_conforms_with("structural", &[tokens, "objective.rate=0.4"]);
    }
    for structure in ["ssp", "sp", "mspp"] {
        let structure = format!("objective.structure={structure}");
        assert_conforms_with("structural", &["objective.tokens=slm", &structure, "objective.candidates=1"]);
    }
    assert_conforms_with("structural", &["objective.tokens=none", "objective.structure=psd"]);
    let embeddings = ["objective.tokens=c-rts", "objective.clustering=embeddings", "objective.clusters=8"];
    assert_conforms_with("structural", &embeddings);
}
