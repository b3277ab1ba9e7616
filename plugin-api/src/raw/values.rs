//! Values of tensors: shapes, element types, reading and making; faults; threads.

use std::panic::Location;
use std::sync::Mutex;

use lacuna_abi::{Bytes, Handle, Work};

use super::errors::checked;
use super::guard::{caught, panicked};
use super::host::host;
use super::object::Object;
use super::operation::place;
use crate::dtype::Element;
use crate::error::Result;

/// The most axes the first question has room for.
const USUAL_RANK: usize = 8;

/// The lengths of the axes of a tensor, weight or buffer.
pub(crate) fn shape(tensor: &Object) -> Result<Vec<usize>> {
    let mut dims = vec![0; USUAL_RANK];
    loop {
        let mut rank = 0;
        // SAFETY: `dims` has room for the capacity told, and both outlive the call.
        checked(unsafe { (host().tensors.shape)(tensor.handle(), dims.as_mut_ptr(), dims.len(), &raw mut rank) })?;
        let had = dims.len();
        dims.resize(rank, 0);
        if rank <= had {
            return Ok(dims);
        }
    }
}

/// The element type, one of `lacuna_abi::dtype`.
pub(crate) fn dtype(tensor: &Object) -> Result<u32> {
    let mut dtype = 0;
    // SAFETY: `dtype` outlives the call.
    checked(unsafe { (host().tensors.dtype)(tensor.handle(), &raw mut dtype) })?;
    Ok(dtype)
}

/// `count` elements cast to `dtype`, as elements of the plain type `T` of the same size.
pub(crate) fn read<T: Copy + Default>(tensor: &Object, dtype: u32, count: usize) -> Result<Vec<T>> {
    let mut out = vec![T::default(); count];
    let bytes = size_of_val(out.as_slice());
    // SAFETY: `out` has exactly `bytes` bytes, and `T` is one of the plain numbers, for which any bits are a value.
    checked(unsafe { (host().tensors.read)(tensor.handle(), dtype, out.as_mut_ptr().cast(), bytes) })?;
    Ok(out)
}

/// A constant tensor of `data`.
pub(crate) fn make<T: Element>(data: &[T], dims: &[usize], location: &'static Location<'static>) -> Object {
    let place = place(location);
    // SAFETY: all pointers outlive the call; elements are plain, without padding; the handle is ours.
    Object::owned(unsafe {
        (host().tensors.make)(T::DTYPE.number(), dims.as_ptr(), dims.len(), as_bytes(data), &raw const place)
    })
}

/// The bytes of plain elements.
pub(crate) fn as_bytes<T: Element>(data: &[T]) -> Bytes {
    Bytes { ptr: data.as_ptr().cast(), len: size_of_val(data) }
}

/// Takes the first fault of this call.
pub(crate) fn check() -> Result<()> {
    // SAFETY: no arguments.
    checked(unsafe { (host().tensors.check)() })
}

struct Parallel<'a, F> {
    work: &'a F,
    failed: Mutex<Option<crate::error::Error>>,
}

/// Calls `work(0..count)` on the host's threads.
pub(crate) fn parallel<F: Fn(usize) + Sync>(count: usize, work: &F) -> Result<()> {
    unsafe extern "C" fn call<F: Fn(usize) + Sync>(state: *mut u8, index: usize) {
        // SAFETY: `state` is the `Parallel` below, alive until the host's function returns, and shared only.
        let state = unsafe { &*state.cast::<Parallel<'_, F>>() };
        if let Err(payload) = caught(|| (state.work)(index)) {
            let error = panicked(payload);
            if let Ok(mut failed) = state.failed.lock() {
                failed.get_or_insert(error);
            }
        }
    }
    let mut state = Parallel { work, failed: Mutex::new(None) };
    let function = Work { function: call::<F> };
    // SAFETY: the state outlives the call, and `F` is `Sync`.
    checked(unsafe { (host().tensors.parallel)(count, function, (&raw mut state).cast()) })?;
    match state.failed.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Writes a line into the run's log.
pub(crate) fn log(level: u32, text: &str) {
    // SAFETY: the text outlives the call.
    unsafe { (host().logs.log)(level, Bytes::text(text)) };
}

/// The handles of many objects.
pub(crate) fn handles(objects: &[&Object]) -> Vec<Handle> {
    objects.iter().map(|object| object.handle()).collect()
}
