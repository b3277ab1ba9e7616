//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// Hidden pixels and all of them, with and without class token and dropout. One test: the suite counts the threads of the
/// process.
#[test]
fn conforms() {
    let small = ["model.mask_token=true", "objective.mask_size=4"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("simmim", "vit", &with(&[]));
    assert_conforms_in("simmim", "vit", &with(&["objective.predict=all", "model.dropout=0.1"]));
    assert_conforms_in("simmim", "vit", &with(&["model.class_token=false", "objective.mask_rate=0.3"]));
}
