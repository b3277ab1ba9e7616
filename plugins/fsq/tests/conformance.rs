//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::assert_conforms_with;

/// Rounding passes its gradient through, which finite differences see as that of the bound. One test: the suite counts the
/// threads of the process.
#[test]
fn conforms() {
    let small = ["model.patch_size=4", "model.num_layers=1", "model.num_heads=2", "model.width=8"];
    assert_conforms_with("fsq", &small);
}
