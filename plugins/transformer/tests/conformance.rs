//! What every plugin has to hold: finite losses, right gradients, batches that may be divided and packed.

#[test]
fn conforms() {
    lacuna::conformance::assert_conforms("transformer");
}

/// The decoder of today, and the other positions, norms and activations.
#[test]
fn other_configurations_conform() {
    let decoder = [
        "model.causal=true",
        "model.positions=rotary",
        "model.norm=rms",
        "model.pre_norm=true",
        "model.glu=true",
        "model.activation=silu",
    ];
    lacuna::conformance::assert_conforms_with("transformer", &decoder);
    lacuna::conformance::assert_conforms_with(
        "transformer",
        &["model.positions=alibi", "model.bias=false", "model.tied_head=false"],
    );
    lacuna::conformance::assert_conforms_with("transformer", &["model.positions=sinusoidal", "model.activation=relu"]);
}
