//! How long the thread of the step is in plugins, without the host's functions they call.
//!
//! The clock runs only within [`time_in_plugins`]: looking at it four times for each operation costs more than the crossing.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// Whether anybody wants to know.
    static WANTED: Cell<bool> = const { Cell::new(false) };
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// Since when a plugin runs; `None` while the host does.
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs `work` and tells how long this thread was in plugins meanwhile, without the host's functions that they called.
pub fn time_in_plugins<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    struct Former(bool);
    impl Drop for Former {
        fn drop(&mut self) {
            WANTED.set(self.0);
        }
    }
    let _former = Former(WANTED.replace(true));
    let before = SPENT.get();
    let result = work();
    (result, SPENT.get() - before)
}

/// Counts the time since the clock was set, and stops it; whether it ran.
fn stop() -> bool {
    let since = SINCE.take();
    if let Some(since) = since {
        SPENT.set(SPENT.get() + since.elapsed());
    }
    since.is_some()
}

/// Puts the clock back as it was, however the work ends.
struct Restore {
    running: bool,
}

impl Drop for Restore {
    fn drop(&mut self) {
        stop();
        SINCE.set(self.running.then(Instant::now));
    }
}

/// Runs `work` of a plugin.
pub(super) fn in_plugin<T>(work: impl FnOnce() -> T) -> T {
    if !WANTED.get() {
        return work();
    }
    let _restore = Restore { running: stop() };
    SINCE.set(Some(Instant::now()));
    work()
}

/// Runs `work` of the host on behalf of a plugin; costs nothing when no plugin runs.
pub(super) fn in_host<T>(work: impl FnOnce() -> T) -> T {
    if !stop() {
        return work();
    }
    let _restore = Restore { running: true };
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plugin_s_own_time_counts() {
        let wait = |milliseconds| std::thread::sleep(Duration::from_millis(milliseconds));
        let ((), spent) = time_in_plugins(|| {
            in_plugin(|| {
                wait(5);
                in_host(|| {
                    wait(60);
                    in_plugin(|| wait(5));
                    in_host(|| wait(60));
                });
            });
        });
        assert!(spent >= Duration::from_millis(10) && spent < Duration::from_millis(60), "{spent:?}");
        assert_eq!(time_in_plugins(|| in_host(|| wait(1))).1, Duration::ZERO);
    }

    #[test]
    fn the_clock_stands_while_nobody_asks() {
        let before = SPENT.get();
        in_plugin(|| {
            assert_eq!(SINCE.get(), None);
            std::thread::sleep(Duration::from_millis(1));
            in_host(|| ());
        });
        assert_eq!(SPENT.get(), before);
    }
}
