//! What every plugin has to hold: right shapes and gradients, samples that do not change each other.

use lacuna::conformance::assert_conforms_with;

/// The norms of the base and of the large models, with and without dropout. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["model.kernels=[3, 2]", "model.strides=[2, 2]", "model.channels=4", "model.position_groups=4"];
    let with = |more: &[&'static str]| small.iter().chain(more).copied().collect::<Vec<_>>();
    assert_conforms_with("wav2vec", &with(&["model.position_kernel=4", "model.dropout=0.0"]));
    let large = ["model.position_kernel=3", "model.conv_norm=layer", "model.conv_bias=true", "model.pre_norm=true"];
    assert_conforms_with("wav2vec", &with(&large));
}
