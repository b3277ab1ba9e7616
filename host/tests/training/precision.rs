//! bfloat16 in the passes, f32 in what is kept.

use compute::DType;

use super::support::*;

#[test]
fn bf16_learns_like_f32_and_keeps_f32() {
    let steps = 20;
    for objective in ["mlm", "clm"] {
        let mut single = session(objective, &[]);
        let mut half = session(objective, &["run.precision=\"bf16\""]);
        let (losses, half_losses) = (run(&mut single, steps), run(&mut half, steps));
        assert_ne!(losses, half_losses, "it computes in another precision");
        let mean = |losses: &[f64]| losses[15..].iter().sum::<f64>() / 5.0;
        assert!(close(mean(&losses), mean(&half_losses), 0.02), "{} {}", mean(&losses), mean(&half_losses));
        assert!(mean(&losses) < losses[0], "it learns");
        for saved in
            half.stepper.optimizer.state().expect("a state").iter().filter(|saved| !saved.name.contains("/steps/"))
        {
            assert_eq!(saved.dtype, DType::F32, "{}", saved.name);
        }
        let mut finer = 0;
        for saved in weights(&half).values() {
            assert_eq!(saved.dtype, DType::F32, "{}", saved.name);
            // The low half of an f32 is zero where it holds a bfloat16.
            finer += saved.bytes.as_chunks::<4>().0.iter().filter(|bytes| bytes[0] != 0 || bytes[1] != 0).count();
        }
        assert!(finer > half.stepper.weights.parameters() / 2, "the masters hold more than bfloat16");
    }
}

#[test]
fn a_step_too_small_for_bf16_still_moves_the_masters() {
    let mut half = session("mlm", &["run.precision=\"bf16\"", "optimizer.learning_rate=1e-6"]);
    let before = weights(&half);
    run(&mut half, 1);
    let after = weights(&half);
    let moved = before.iter().filter(|(name, saved)| after[*name].bytes != saved.bytes).count();
    assert_eq!(moved, before.len());
}
