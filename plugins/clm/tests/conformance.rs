//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

#[test]
fn conforms() {
    lacuna::conformance::assert_conforms("clm");
}
