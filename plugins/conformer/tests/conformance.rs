//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::assert_conforms_with;

/// All kinds of positions, with and without dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    assert_conforms_with("conformer", &["model.kernel=5"]);
    assert_conforms_with("conformer", &["model.positions=relative", "model.maximum_distance=2", "model.kernel=3"]);
    assert_conforms_with("conformer", &["model.positions=none", "model.dropout=0.0", "model.channels=4"]);
}
