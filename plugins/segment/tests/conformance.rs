//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// With and without class token and dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    // The classes of its pictures are narrow stripes that begin anywhere: only rows of single pixels can learn them by heart.
    let small = ["model.patch_size=1", "model.initial=xavier"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("segment", "vit", &with(&["model.positions=sincos"]));
    assert_conforms_in("segment", "vit", &with(&["model.class_token=false", "objective.dropout=0.1"]));
}
