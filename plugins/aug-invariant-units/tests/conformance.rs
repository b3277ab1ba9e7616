//! What every plugin has to hold: finite losses, right gradients, samples that do not change each other.

use lacuna::conformance::assert_conforms_around;

/// Over the end of a model and over a layer by its number. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["inner.kernel=5", "inner.channels=4", "inner.dropout=0.0", "model.width=8"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    let own = "aug-invariant-units";
    assert_conforms_around(own, own, "conformer", &with(&["model.role=inner"]));
    assert_conforms_around(own, own, "conformer", &with(&["model.role=inner", "model.layer=2"]));
}
