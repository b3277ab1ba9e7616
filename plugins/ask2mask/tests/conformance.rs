//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// Each policy, with and without weights of sounds. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = [
        "model.kernel=5",
        "model.channels=4",
        "objective.start_probability=0.3",
        "objective.span=2",
        "objective.unit_width=8",
    ];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("ask2mask", "conformer", &with(&[]));
    assert_conforms_in("ask2mask", "conformer", &with(&["objective.policy=weighted", "objective.exclude_blank=false"]));
    assert_conforms_in("ask2mask", "conformer", &with(&["objective.policy=mix", "objective.weigh_sounds=false"]));
}
