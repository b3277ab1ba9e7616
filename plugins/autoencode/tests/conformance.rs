//! What every plugin has to hold: finite losses, right gradients, batches that may be divided.

// Links the family, which the suite finds beside this program.
use fsq as _;
use lacuna::conformance::assert_conforms_in;

/// Both distances. One test: the suite counts the threads of the process.
#[test]
fn conforms() {
    let small = ["model.patch_size=4", "model.num_layers=1", "model.num_heads=2", "model.width=8"];
    assert_conforms_in("autoencode", "fsq", &small);
    assert_conforms_in("autoencode", "fsq", &[&small[..], &["objective.distance=l1"]].concat());
}
