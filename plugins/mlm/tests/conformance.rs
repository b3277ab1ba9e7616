//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

#[test]
fn conforms() {
    lacuna::conformance::assert_conforms("mlm");
}

/// The other ways of choosing.
#[test]
fn whole_words_and_spans_conform() {
    for unit in ["objective.unit=word", "objective.unit=span"] {
        lacuna::conformance::assert_conforms_with("mlm", &[unit, "objective.mask_rate=0.4"]);
    }
    lacuna::conformance::assert_conforms_with("mlm", &["objective.exact=true"]);
}
