//! What every function of the host's tables is wrapped in: no panic leaves, no pointer is read unchecked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use compute::weights::{Buffer, Weight};
use compute::{DType, Tensor};
use lacuna_abi::{Bytes, Handle, dtype};

use super::object::{self, Content, Object, TensorState};
use super::{clock, frame};
use crate::error::{Error, Result};

/// Runs `work`; an error or panic becomes an error handle with the frames of this thread, success null.
pub(super) fn answer(work: impl FnOnce() -> Result<()>) -> Handle {
    match caught(work) {
        Ok(()) => Handle::NULL,
        Err(error) => error_handle(error),
    }
}

/// Runs `work` and writes its object to `out`; null is written when it fails.
///
/// # Safety
/// `out` must be null or writable.
pub(super) unsafe fn answer_into(out: *mut Handle, work: impl FnOnce() -> Result<Option<Arc<Object>>>) -> Handle {
    answer(|| {
        if out.is_null() {
            return Err(Error::new("plugin/null", "the place for the result is null"));
        }
        // SAFETY: not null, so writable by the caller's promise.
        unsafe { out.write(Handle::NULL) };
        let handle = work()?.map_or(Handle::NULL, Object::into_handle);
        // SAFETY: as above.
        unsafe { out.write(handle) };
        Ok(())
    })
}

/// Runs `work`; a panic of the host becomes the error `host/panic`.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    clock::in_host(|| catch_unwind(AssertUnwindSafe(work))).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".into());
        Err(Error::new("host/panic", format!("the host panicked: {message}"))
            .with_help("this is a fault of Lacuna, not of the plugin; please report it with the experiment file"))
    })
}

/// An error as a handle that the plugin owns.
pub(super) fn error_handle(error: Error) -> Handle {
    Object::new(Content::Error(error.within(frame::labels()))).into_handle()
}

/// The text of `bytes`.
///
/// # Safety
/// As [`Bytes::as_slice`].
pub(super) unsafe fn text<'a>(what: &str, bytes: Bytes) -> Result<&'a str> {
    // SAFETY: by the caller's promise.
    unsafe { bytes.as_text() }.ok_or_else(|| Error::new("plugin/text", format!("{what} is not UTF-8")))
}

/// `len` values from `pointer`; a null pointer is allowed for none.
///
/// # Safety
/// `pointer` must be null or point to `len` values that live and stay unchanged for `'a`.
pub(super) unsafe fn slice<'a, T>(what: &str, pointer: *const T, len: usize) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null; length and life by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// The value behind `pointer`.
///
/// # Safety
/// `pointer` must be null or point to a value that lives for `'a`.
pub(super) unsafe fn value<'a, T>(what: &str, pointer: *const T) -> Result<&'a T> {
    // SAFETY: by the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// The object behind a handle that may not be null.
///
/// # Safety
/// As [`object::borrow`].
pub(super) unsafe fn object<'a>(what: &str, handle: Handle) -> Result<&'a Object> {
    // SAFETY: by the caller's promise.
    unsafe { object::borrow(handle) }.ok_or_else(|| null(what))
}

/// One more count of the object behind a handle that may not be null.
///
/// # Safety
/// As [`object::borrow`].
pub(super) unsafe fn shared(what: &str, handle: Handle) -> Result<Arc<Object>> {
    // SAFETY: by the caller's promise.
    unsafe { object::share(handle) }.ok_or_else(|| null(what))
}

pub(super) fn null(what: &str) -> Error {
    Error::new("plugin/null", format!("{what} is null"))
}

/// The error of an object of another kind than asked for.
pub(super) fn wrong_kind(what: &str, wanted: &str, object: &Object) -> Error {
    if let Content::Tensor(TensorState::Poisoned(fault)) = object.content() {
        return fault.error();
    }
    Error::new("plugin/kind", format!("{what} is a {}, not a {wanted}", object.kind_name()))
}

/// The tensor an object stands for under the current call: weights and buffers are resolved.
///
/// # Errors
/// When it is poisoned or no tensor, or when a view of the weight fails.
pub(super) fn tensor(what: &str, object: &Object) -> Result<Tensor> {
    match object.content() {
        Content::Tensor(TensorState::Ready(tensor)) => Ok(tensor.clone()),
        Content::Tensor(TensorState::Poisoned(fault)) => Err(fault.error()),
        Content::Weight(weight) => Ok(weight.resolve(&frame::current()?.call().options().resolve)?),
        Content::Buffer(buffer) => Ok(buffer.tensor()),
        _ => Err(wrong_kind(what, "tensor", object)),
    }
}

pub(super) fn weight<'a>(what: &str, object: &'a Object) -> Result<&'a Arc<Weight>> {
    match object.content() {
        Content::Weight(weight) => Ok(weight),
        _ => Err(wrong_kind(what, "weight", object)),
    }
}

pub(super) fn buffer<'a>(what: &str, object: &'a Object) -> Result<&'a Arc<Buffer>> {
    match object.content() {
        Content::Buffer(buffer) => Ok(buffer),
        _ => Err(wrong_kind(what, "buffer", object)),
    }
}

/// The element type of a number of [`dtype`].
pub(super) fn dtype(number: u32) -> Result<DType> {
    Ok(match number {
        dtype::BOOL => DType::Bool,
        dtype::U8 => DType::U8,
        dtype::U32 => DType::U32,
        dtype::I64 => DType::I64,
        dtype::BF16 => DType::BF16,
        dtype::F16 => DType::F16,
        dtype::F32 => DType::F32,
        dtype::F64 => DType::F64,
        _ => return Err(Error::new("plugin/dtype", format!("element type {number} is not known to this host"))),
    })
}

/// The number of an element type.
pub(super) fn dtype_number(dtype: DType) -> Result<u32> {
    Ok(match dtype {
        DType::Bool => dtype::BOOL,
        DType::U8 => dtype::U8,
        DType::U32 => dtype::U32,
        DType::I64 => dtype::I64,
        DType::BF16 => dtype::BF16,
        DType::F16 => dtype::F16,
        DType::F32 => dtype::F32,
        DType::F64 => dtype::F64,
        _ => return Err(Error::new("host/dtype", format!("{dtype} does not cross the boundary yet"))),
    })
}
