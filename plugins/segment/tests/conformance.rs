//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// With and without class token and dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    // The classes of its pictures are stripes of two pixels, which begin anywhere: larger patches cannot tell them.
    let small = "model.patch_size=1";
    assert_conforms_in("segment", "vit", &[small, "model.width=64", "model.positions=sincos"]);
    assert_conforms_in(
        "segment",
        "vit",
        &[small, "model.width=64", "model.class_token=false", "objective.dropout=0.1"],
    );
}
