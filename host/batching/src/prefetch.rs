//! Items made ahead of time by worker threads and delivered in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Why an item is missing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure<E> {
    /// Making it gave an error.
    #[error(transparent)]
    Failed(E),
    /// Making it panicked.
    #[error("item {index} could not be made, the data thread panicked: {message}")]
    Panicked {
        /// Number of the item.
        index: u64,
        /// What the panic said.
        message: String,
    },
}

/// The items `first..last`, made by worker threads at most `capacity` ahead of the consumer, delivered in order.
///
/// An error or panic arrives in the place of its item, and the items behind it follow. Dropping stops the threads after
/// the item each is at work on, and joins them.
pub struct Prefetch<T, E> {
    shared: Arc<Shared<T, E>>,
    threads: Vec<JoinHandle<()>>,
}

type Made<T, E> = Result<T, Failure<E>>;

struct Shared<T, E> {
    make: Box<dyn Fn(u64) -> Result<T, E> + Send + Sync>,
    last: u64,
    capacity: u64,
    state: Mutex<State<T, E>>,
    /// An item was delivered, or everything stops.
    room: Condvar,
    /// An item was made.
    made: Condvar,
}

struct State<T, E> {
    claimed: u64,
    delivered: u64,
    ready: BTreeMap<u64, Made<T, E>>,
    stopped: bool,
}

impl<T: Send + 'static, E: Send + 'static> Prefetch<T, E> {
    /// Makes the items `first..last` with `make` on `threads` threads; with 0 threads each is made when it is asked for.
    ///
    /// At most `capacity` items (at least 1) are finished or being made and not yet delivered.
    #[must_use]
    pub fn new(
        first: u64,
        last: u64,
        threads: usize,
        capacity: usize,
        make: impl Fn(u64) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        let state = State { claimed: first, delivered: first, ready: BTreeMap::new(), stopped: false };
        let shared = Arc::new(Shared {
            make: Box::new(make),
            last,
            capacity: capacity.max(1) as u64,
            state: Mutex::new(state),
            room: Condvar::new(),
            made: Condvar::new(),
        });
        // Where the system gives no thread, the others do the work, or the consumer itself.
        let threads = (0..threads)
            .filter_map(|number| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new().name(format!("data-{number}")).spawn(move || shared.work()).ok()
            })
            .collect();
        Self { shared, threads }
    }
}

impl<T, E> Iterator for Prefetch<T, E> {
    type Item = Made<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let shared = &self.shared;
        let mut state = shared.lock();
        let index = state.delivered;
        if index >= shared.last {
            return None;
        }
        let item = if self.threads.is_empty() {
            drop(state);
            let item = shared.make(index);
            state = shared.lock();
            item
        } else {
            loop {
                if let Some(item) = state.ready.remove(&index) {
                    break item;
                }
                state = shared.made.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        state.delivered = index + 1;
        drop(state);
        shared.room.notify_all();
        Some(item)
    }
}

impl<T, E> Shared<T, E> {
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // `make` never runs under the lock, so the state is whole even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, index: u64) -> Made<T, E> {
        match catch_unwind(AssertUnwindSafe(|| (self.make)(index))) {
            Ok(made) => made.map_err(Failure::Failed),
            Err(panic) => Err(Failure::Panicked { index, message: panic_message(&*panic) }),
        }
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped || state.claimed >= self.last {
                return;
            }
            if state.claimed >= state.delivered.saturating_add(self.capacity) {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let index = state.claimed;
            state.claimed += 1;
            drop(state);
            let item = self.make(index);
            state = self.lock();
            state.ready.insert(index, item);
            self.made.notify_all();
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

impl<T, E> Drop for Prefetch<T, E> {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A worker catches every panic of `make`; there is nothing left to report.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn items_arrive_in_order_for_any_number_of_threads() {
        for threads in [0, 1, 2, 5] {
            let items = Prefetch::new(3, 203, threads, 4, |index| {
                // Later items are often ready sooner.
                std::thread::sleep(Duration::from_micros(200 * (index % 3)));
                Ok::<u64, ()>(index * index)
            });
            let items: Vec<_> = items.collect();
            assert_eq!(items, (3..203).map(|index| Ok(index * index)).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn errors_and_panics_arrive_in_their_place() {
        for threads in [0, 2] {
            let items = Prefetch::new(0, 5, threads, 8, |index| match index {
                1 => Err("broken"),
                3 => panic!("at three"),
                _ => Ok(index),
            });
            let items: Vec<_> = items.collect();
            assert_eq!(items[..2], [Ok(0), Err(Failure::Failed("broken"))]);
            assert_eq!(items[3], Err(Failure::Panicked { index: 3, message: "at three".into() }));
            assert_eq!(items[4], Ok(4));
            assert_eq!(items.len(), 5);
        }
    }

    #[test]
    fn no_more_than_the_capacity_is_made_ahead() {
        let made = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&made);
        let mut items = Prefetch::new(0, u64::MAX, 3, 4, move |index| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<u64, ()>(index)
        });
        for index in 0..10 {
            assert_eq!(items.next(), Some(Ok(index)));
            assert!(made.load(Ordering::SeqCst) <= index + 1 + 4);
        }
        while made.load(Ordering::SeqCst) < 14 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(made.load(Ordering::SeqCst), 14);
    }

    #[test]
    fn dropping_joins_the_threads() {
        let alive = Arc::new(());
        let kept = Arc::clone(&alive);
        let mut items = Prefetch::new(0, 1_000_000, 2, 2, move |index| {
            let _ = &kept;
            Ok::<u64, ()>(index)
        });
        assert_eq!(items.next(), Some(Ok(0)));
        drop(items);
        // Every thread held the closure, so no thread is left.
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
