//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// With and without dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["model.kernel=5", "model.channels=4", "model.dropout=0.0"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("ctc", "conformer", &with(&[]));
    assert_conforms_in("ctc", "conformer", &with(&["objective.dropout=0.0"]));
}
