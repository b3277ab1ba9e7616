//! The two switches a thread computes under: whether gradients are recorded, and the step they belong to.
//!
//! The tape itself is in the tensors. The host sets these when it pushes a call frame and restores them when the call
//! ends, however it ends.

use std::cell::Cell;

thread_local! {
    static GRADIENTS: Cell<bool> = const { Cell::new(true) };
    static STEP: Cell<u64> = const { Cell::new(0) };
}

/// Whether operations on this thread record how their gradient goes back.
#[must_use]
pub fn gradients_on() -> bool {
    GRADIENTS.get()
}

/// The step that recorded operations of this thread belong to.
#[must_use]
pub fn step() -> u64 {
    STEP.get()
}

/// Sets the step of this thread. Backward refuses tensors recorded in an earlier one.
pub fn set_step(step: u64) {
    STEP.set(step);
}

/// Runs `work` with gradients on or off and restores the former state, also on a panic.
pub fn with_gradients<T>(on: bool, work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            GRADIENTS.set(self.0);
        }
    }
    let _restore = Restore(GRADIENTS.replace(on));
    work()
}
