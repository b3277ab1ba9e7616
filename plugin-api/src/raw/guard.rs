//! Panics end at the boundary: a shim turns them into errors.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use lacuna_abi::Handle;

use crate::error::{Error, Result};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    static GUARDED: Cell<usize> = const { Cell::new(0) };
}

/// Keeps message and place of a panic for the error, instead of printing them. Installed once, in `open`; the hook
/// belongs to this library, since it carries a standard library of its own. A plugin's tests share it: what they
/// panic with, outside of any call of the host, is printed as ever.
pub(super) fn keep_panics() {
    let printed = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if GUARDED.try_with(Cell::get).unwrap_or(0) == 0 {
            return printed(info);
        }
        let text = describe(info);
        // A panic while the thread ends finds no slot: then the error goes without a place.
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(text)));
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = message(info.payload());
    match info.location() {
        Some(location) => format!("{message} at {}:{}", location.file(), location.line()),
        None => message.to_owned(),
    }
}

fn message(payload: &dyn Any) -> &str {
    match (payload.downcast_ref::<&'static str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "with a value that is no text",
    }
}

/// The error of a caught panic. The payload dies here: dropping it may panic as well.
pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let kept = LAST.try_with(|last| last.try_borrow_mut().ok().and_then(|mut last| last.take())).ok().flatten();
    let text = kept.unwrap_or_else(|| message(&*payload).to_owned());
    if let Err(second) = caught(|| drop(payload)) {
        std::mem::forget(second);
    }
    Error::new("plugin/panic", format!("the plugin panicked: {text}"))
        .without_place()
        .help("this is a fault of the plugin, not of the experiment: tell its author the line above")
}

/// Runs `body`, whose panic is caught and not printed.
pub(super) fn caught<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    // A thread that ends has no depth any more: then a panic is printed as well as caught.
    let deepen = |by: isize| _ = GUARDED.try_with(|depth| depth.set(depth.get().saturating_add_signed(by)));
    deepen(1);
    let result = catch_unwind(AssertUnwindSafe(body));
    deepen(-1);
    result
}

/// Runs `body`, and gives its error or its panic as a handle; null on success.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> Handle {
    match caught(body) {
        Ok(Ok(())) => Handle::NULL,
        Ok(Err(error)) => error.into_handle(),
        Err(payload) => panicked(payload).into_handle(),
    }
}

/// Runs `body`, and gives `otherwise` where it panics.
pub(super) fn guard_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    match caught(body) {
        Ok(value) => value,
        Err(payload) => {
            drop(panicked(payload));
            otherwise
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let payload = catch_unwind(|| panic!("index {} is out of range", 7)).expect_err("it panics");
        let error = panicked(payload);
        assert_eq!(error.code(), "plugin/panic");
        assert!(error.text().starts_with("the plugin panicked: index 7 is out of range"), "{}", error.text());
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_survived() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let payload = catch_unwind(|| std::panic::panic_any(Bomb)).expect_err("it panics");
        assert_eq!(panicked(payload).code(), "plugin/panic");
    }
}
