//! `lacuna.errors/0`: errors made by plugins, read by both sides.

use lacuna_abi::{Bytes, Errors, Handle, Place};

use super::guard;
use super::object::{self, Content};
use crate::error::Error;

pub(super) static TABLE: Errors = Errors { make, code, text, help };

unsafe extern "C" fn make(code: Bytes, text: Bytes, help: Bytes, place: *const Place) -> Handle {
    let error = guard::caught(|| {
        // SAFETY: the plugin lends its texts and the place for this call; lossy because an error must not fail.
        let [code, text, help] =
            unsafe { [code.as_slice(), text.as_slice(), help.as_slice()] }.map(String::from_utf8_lossy);
        let code = if code.is_empty() { "plugin/error".into() } else { code };
        let mut error = Error::new(code, text).with_help(help);
        // SAFETY: null or lent for this call.
        if let Some((file, line, _)) = unsafe { owned_place(place) } {
            error = error.at(file, line);
        }
        Ok(error)
    });
    guard::error_handle(error.unwrap_or_else(|error| error))
}

/// A place as owned values; `None` for null or without a file.
///
/// # Safety
/// `place` must be null or readable, its file name alive.
pub(super) unsafe fn owned_place(place: *const Place) -> Option<(String, u32, u32)> {
    // SAFETY: by the caller's promise.
    let place = unsafe { place.as_ref() }?;
    // SAFETY: as above.
    let file = String::from_utf8_lossy(unsafe { place.file.as_slice() }).into_owned();
    (!file.is_empty()).then_some((file, place.line, place.column))
}

unsafe extern "C" fn code(error: Handle) -> Bytes {
    // SAFETY: the plugin holds the handle, so its texts stay.
    unsafe { part(error, |error| &error.code) }
}

unsafe extern "C" fn text(error: Handle) -> Bytes {
    // SAFETY: as in `code`.
    unsafe { part(error, |error| &error.text) }
}

unsafe extern "C" fn help(error: Handle) -> Bytes {
    // SAFETY: as in `code`.
    unsafe { part(error, |error| error.help.as_deref().unwrap_or_default()) }
}

/// # Safety
/// As [`object::borrow`].
unsafe fn part(error: Handle, part: fn(&Error) -> &str) -> Bytes {
    // SAFETY: by the caller's promise.
    match unsafe { object::borrow(error) }.map(object::Object::content) {
        Some(Content::Error(error)) => Bytes::text(part(error)),
        _ => Bytes::EMPTY,
    }
}
