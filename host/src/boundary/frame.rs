//! The frames of the calls running on this thread: who was called, for what, and the first fault.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use super::call::Call;
use super::fault::Fault;
use super::live::Live;
use crate::error::Error;

thread_local! {
    static STACK: RefCell<Vec<Arc<Frame>>> = const { RefCell::new(Vec::new()) };
}

/// Who is called.
#[derive(Debug, Clone, Default)]
pub struct Callee {
    /// The plugin with its version: `mlm 0.3.0`.
    pub plugin: Arc<str>,
    /// The role of a model, empty for objectives.
    pub role: Arc<str>,
    /// The plugin's tally of objects.
    pub live: Arc<Live>,
}

/// One call of a plugin function.
pub struct Frame {
    callee: Callee,
    function: String,
    call: Arc<Call>,
    fault: Mutex<Option<Arc<Fault>>>,
    /// The last site that a family passed.
    site: Mutex<Option<String>>,
}

impl Frame {
    /// The call of `function` (`loss`, `forward`) of `callee`.
    #[must_use]
    pub fn new(callee: Callee, function: impl Into<String>, call: Arc<Call>) -> Arc<Self> {
        Arc::new(Self { callee, function: function.into(), call, fault: Mutex::default(), site: Mutex::default() })
    }

    /// Who is called.
    #[must_use]
    pub fn callee(&self) -> &Callee {
        &self.callee
    }

    /// What it carries.
    #[must_use]
    pub fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Keeps `fault` unless the call has one already.
    pub fn keep(&self, fault: &Arc<Fault>) {
        let mut first = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            *first = Some(fault.clone());
        }
    }

    /// Takes the first fault out.
    #[must_use]
    pub fn take_fault(&self) -> Option<Arc<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Remembers the site passed last.
    pub fn pass(&self, site: &str) {
        *self.site.lock().unwrap_or_else(PoisonError::into_inner) = Some(site.to_owned());
    }

    fn label(&self) -> String {
        let mut label = format!("{} {}", self.callee.plugin, self.function);
        if let Some(site) = &*self.site.lock().unwrap_or_else(PoisonError::into_inner) {
            label.push_str(", ");
            label.push_str(part_of(site));
        }
        label
    }
}

/// `layers.3` of `layers.3.attention.heads`; other names as they are.
fn part_of(site: &str) -> &str {
    let mut ends = site.match_indices('.').map(|(index, _)| index);
    match (ends.next(), ends.next()) {
        (Some(first), Some(second)) if site[first + 1..second].bytes().all(|byte| byte.is_ascii_digit()) => {
            &site[..second]
        }
        _ => site,
    }
}

/// The frame of the call that runs on this thread.
#[must_use]
pub fn top() -> Option<Arc<Frame>> {
    STACK.with_borrow(|stack| stack.last().cloned())
}

/// The same, or the error of a thread that has none.
///
/// # Errors
/// When no call of the host runs on this thread.
pub fn current() -> Result<Arc<Frame>, Error> {
    top().ok_or_else(|| {
        Error::new("thread/no-frame", "the host was asked from a thread that it did not call")
            .with_help("a plugin starts no threads; use `host.parallel` for plain memory, and stay on the calling thread for tensors")
    })
}

/// The tally of the plugin running on this thread.
#[must_use]
pub(super) fn live() -> Option<Arc<Live>> {
    // An object may be dropped or made while the thread ends.
    STACK.try_with(|stack| stack.borrow().last().map(|frame| frame.callee.live.clone())).ok().flatten()
}

/// The labels of all frames of this thread, outermost first.
#[must_use]
pub fn labels() -> Vec<String> {
    STACK.with_borrow(|stack| stack.iter().map(|frame| frame.label()).collect())
}

/// How deep this thread is in calls.
#[must_use]
pub fn depth() -> usize {
    STACK.with_borrow(Vec::len)
}

/// Runs `work` under `frame`; the former frames and gradient mode are back afterwards, also on a panic.
///
/// The step stays set, so that the backward pass that follows a call belongs to it.
pub fn with_frame<T>(frame: &Arc<Frame>, work: impl FnOnce() -> T) -> T {
    struct Pop(usize);
    impl Drop for Pop {
        fn drop(&mut self) {
            let gone = STACK.with_borrow_mut(|stack| stack.split_off(self.0));
            // Dropped outside the borrow: objects look at the stack.
            drop(gone);
        }
    }
    let options = frame.call.options();
    let _pop = Pop(depth());
    STACK.with_borrow_mut(|stack| stack.push(frame.clone()));
    if options.thread == super::call::Thread::Step {
        compute::mode::set_step(options.step);
    }
    compute::mode::with_gradients(options.gradients, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_shortened_to_their_layer() {
        assert_eq!(part_of("layers.3.attention.heads"), "layers.3");
        assert_eq!(part_of("layers.3"), "layers.3");
        assert_eq!(part_of("embeddings"), "embeddings");
        assert_eq!(part_of("a.b.c"), "a.b.c");
    }
}
