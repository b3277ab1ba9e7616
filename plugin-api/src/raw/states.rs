//! States of decoding at the boundary.

use lacuna_abi::{Bytes, Handle};

use super::errors::checked;
use super::host::host;
use super::object::Object;
use crate::error::Result;

pub(crate) fn lengths(state: &Object) -> Result<Object> {
    let mut lengths = Handle::NULL;
    // SAFETY: the state is held, `lengths` outlives the call.
    let error = unsafe { (host().states.lengths)(state.handle(), &raw mut lengths) };
    let lengths = Object::owned(lengths);
    checked(error).map(|()| lengths)
}

pub(crate) fn get(state: &Object, name: &str) -> Result<Option<Object>> {
    let mut tensor = Handle::NULL;
    // SAFETY: the state is held; the name and `tensor` outlive the call.
    let error = unsafe { (host().states.get)(state.handle(), Bytes::text(name), &raw mut tensor) };
    let tensor = Object::owned_or_none(tensor);
    checked(error).map(|()| tensor)
}

pub(crate) fn set(state: &Object, name: &str, tensor: &Object) -> Result<()> {
    // SAFETY: both handles are held, the name outlives the call.
    checked(unsafe { (host().states.set)(state.handle(), Bytes::text(name), tensor.handle()) })
}

/// All rows and their layout.
pub(crate) fn append(state: &Object, name: &str, rows: &Object, layout: &Object) -> Result<(Object, Object)> {
    let (mut all, mut all_layout) = (Handle::NULL, Handle::NULL);
    // SAFETY: all handles are held; the name and both places outlive the call.
    let error = unsafe {
        (host().states.append)(
            state.handle(),
            Bytes::text(name),
            rows.handle(),
            layout.handle(),
            &raw mut all,
            &raw mut all_layout,
        )
    };
    let made = (Object::owned(all), Object::owned(all_layout));
    checked(error).map(|()| made)
}
