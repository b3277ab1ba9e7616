//! Reading what the host lends.

use lacuna_abi::Bytes;

use super::host::host;
use super::object::Object;
use crate::error::{Error, Result};

/// Text lent for the call.
///
/// # Safety
/// The bytes must be alive for `'a`.
pub(crate) unsafe fn text<'a>(bytes: Bytes, what: &str) -> Result<&'a str> {
    // SAFETY: by the caller's promise.
    unsafe { bytes.as_text() }.ok_or_else(|| Error::new("host/text", format!("{what} is not UTF-8")))
}

/// A slice from a pointer and a number, empty where there are none.
///
/// # Safety
/// `pointer` must point to `len` elements alive for `'a`, unless `len` is 0.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize) -> &'a [T] {
    if pointer.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts(pointer, len) }
}

/// The content of a text object; empty for none.
pub(crate) fn content(text: &Object) -> Result<String> {
    if text.handle().is_null() {
        return Ok(String::new());
    }
    // SAFETY: the object holds the handle while the bytes are copied.
    let bytes = unsafe { (host().batches.bytes)(text.handle()) };
    // SAFETY: as above.
    Ok(unsafe { self::text(bytes, "a text of the host") }?.to_owned())
}

/// A text object of the host's.
pub(crate) fn new_text(text: &str) -> Object {
    // SAFETY: the text lives through the call; the handle is ours.
    Object::owned(unsafe { (host().batches.text)(Bytes::text(text)) })
}
