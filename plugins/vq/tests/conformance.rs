//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::assert_conforms_with;

/// Both codebooks. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["model.patch_size=4", "model.num_layers=1", "model.num_heads=2", "model.width=8", "model.codes=7"];
    assert_conforms_with("vq", &[&small[..], &["model.code_width=3"]].concat());
    assert_conforms_with("vq", &[&small[..], &["model.code_width=3", "model.codebook=gradient"]].concat());
}
