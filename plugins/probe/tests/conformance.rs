//! What every evaluator has to hold: finite figures, the same for any order, division and company of the samples.

#[test]
fn conforms() {
    lacuna::conformance::assert_conforms("probe");
    lacuna::conformance::assert_conforms_in("probe", "vit", &[]);
}
