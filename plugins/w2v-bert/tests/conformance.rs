//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

use lacuna::conformance::assert_conforms_in;

/// Both quantisers, one codebook and two, with even use (which couples the batch) and without. One test: the suite counts the
/// threads of the process.
#[test]
fn conforms() {
    let small = [
        "model.kernel=5",
        "model.channels=4",
        "objective.contrastive_layers=1",
        "objective.start_probability=0.3",
        "objective.span=2",
        "objective.codes=6",
        "objective.code_width=8",
        "objective.contrast_width=8",
        "objective.distractors=5",
    ];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_in("w2v-bert", "conformer", &with(&[]));
    assert_conforms_in("w2v-bert", "conformer", &with(&["objective.codebooks=2", "objective.diversity_weight=0.0"]));
    let nearest = ["objective.quantiser=nearest", "objective.diversity_weight=0.0"];
    assert_conforms_in("w2v-bert", "conformer", &with(&nearest));
}
