//! Where the time of a step goes, by operation: nothing is measured, and next to nothing spent, unless somebody asks.
//!
//! An operation called by another counts for the outer one. Devices that work in the background are not waited for, so on
//! them the times are those of giving out work.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static ON: AtomicBool = AtomicBool::new(false);
static SPENT: Mutex<Spent> = Mutex::new(BTreeMap::new());

/// Calls and time by operation and phase.
type Spent = BTreeMap<(&'static str, Phase), (u64, Duration)>;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// In which part of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Computing values.
    Forward,
    /// Computing gradients.
    Backward,
    /// Changing weights.
    Update,
}

impl Phase {
    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// What one operation took.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The operation.
    pub name: &'static str,
    /// In which part of the step.
    pub phase: Phase,
    /// How often it ran.
    pub calls: u64,
    /// How long, together.
    pub spent: Duration,
}

/// Starts or stops measuring, on all threads.
pub fn measure(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

/// What was measured since the last call, the longest first.
#[must_use]
pub fn take() -> Vec<Entry> {
    let spent = std::mem::take(&mut *SPENT.lock().unwrap_or_else(PoisonError::into_inner));
    let entry = |((name, phase), (calls, spent))| Entry { name, phase, calls, spent };
    let mut entries: Vec<Entry> = spent.into_iter().map(entry).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.spent));
    entries
}

/// Runs `work` and counts its time for `name`, where somebody measures.
pub fn timed<R>(name: &'static str, phase: Phase, work: impl FnOnce() -> R) -> R {
    if !ON.load(Ordering::Relaxed) || INSIDE.get() {
        return work();
    }
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    INSIDE.set(true);
    let _leave = Leave;
    let started = Instant::now();
    let result = work();
    let elapsed = started.elapsed();
    let mut spent = SPENT.lock().unwrap_or_else(PoisonError::into_inner);
    let (calls, total) = spent.entry((name, phase)).or_default();
    *calls += 1;
    *total += elapsed;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_operation_counts() {
        let wait = || std::thread::sleep(Duration::from_millis(2));
        timed("unmeasured", Phase::Forward, wait);
        measure(true);
        timed("outer", Phase::Forward, || timed("inner", Phase::Forward, wait));
        timed("outer", Phase::Forward, wait);
        timed("outer", Phase::Backward, wait);
        measure(false);
        // Other tests may have run operations meanwhile.
        let entries = take();
        let calls = |name, phase| entries.iter().find(|e| e.name == name && e.phase == phase).map(|e| e.calls);
        assert_eq!(calls("outer", Phase::Forward), Some(2));
        assert_eq!(calls("outer", Phase::Backward), Some(1));
        assert_eq!((calls("inner", Phase::Forward), calls("unmeasured", Phase::Forward)), (None, None));
    }
}
