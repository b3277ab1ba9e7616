//! Counts of living host objects, so that a plugin that keeps handles over steps is seen.

use std::sync::atomic::{AtomicI64, Ordering};

/// The kinds counted, in the order of [`Live::counts`].
pub const KINDS: [&str; 14] = [
    "tensor",
    "weight",
    "buffer",
    "layout",
    "mask",
    "text",
    "batch",
    "model",
    "head",
    "error",
    "scope",
    "loss",
    "gradients",
    "state",
];

/// How many objects live that were made in the calls of one plugin.
#[derive(Debug, Default)]
pub struct Live([AtomicI64; KINDS.len()]);

impl Live {
    pub(super) fn add(&self, kind: usize) {
        self.0[kind].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, kind: usize) {
        self.0[kind].fetch_sub(1, Ordering::Relaxed);
    }

    /// Living objects by kind, in the order of [`KINDS`].
    #[must_use]
    pub fn counts(&self) -> [i64; KINDS.len()] {
        std::array::from_fn(|kind| self.0[kind].load(Ordering::Relaxed))
    }

    /// Living objects of all kinds.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.counts().iter().sum()
    }
}
