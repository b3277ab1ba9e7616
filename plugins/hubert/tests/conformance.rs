//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// Both kinds of logits, with and without unmasked rows. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["model.kernel=5", "model.channels=4", "objective.start_probability=0.3", "objective.span=2"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("hubert", "conformer", &with(&["objective.unit_width=8"]));
    assert_conforms_in("hubert", "conformer", &with(&["objective.logits=linear", "objective.unmasked_weight=0.5"]));
}
