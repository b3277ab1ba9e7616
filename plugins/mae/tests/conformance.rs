//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// With and without normalised pixels, class token and dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["objective.decoder_width=16", "objective.decoder_layers=1", "objective.decoder_heads=2"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("mae", "vit", &with(&["model.positions=sincos"]));
    assert_conforms_in("mae", "vit", &with(&["objective.norm_pix=true", "objective.mask_rate=0.5"]));
    assert_conforms_in("mae", "vit", &with(&["model.class_token=false", "model.dropout=0.1"]));
    assert_conforms_in("mae", "vit", &with(&["objective.mask=green", "objective.mask_rate=0.5"]));
}
