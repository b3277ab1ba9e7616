//! Batches at the boundary.

use lacuna_abi::{Bytes, Handle};

use super::borrow::content;
use super::errors::checked;
use super::host::host;
use super::object::Object;
use crate::error::Result;

pub(crate) fn new() -> Object {
    // SAFETY: no arguments; the handle is ours.
    Object::owned(unsafe { (host().batches.new)() })
}

pub(crate) fn put(batch: &Object, name: &str, column: &Object) -> Result<()> {
    // SAFETY: both handles are held, the name outlives the call.
    checked(unsafe { (host().batches.put)(batch.handle(), Bytes::text(name), column.handle()) })
}

pub(crate) fn get(batch: &Object, name: &str) -> Result<Option<Object>> {
    let mut column = Handle::NULL;
    // SAFETY: the batch is held; the name and `column` outlive the call.
    let error = unsafe { (host().batches.get)(batch.handle(), Bytes::text(name), &raw mut column) };
    let column = Object::owned_or_none(column);
    checked(error).map(|()| column)
}

/// The names of the columns, one a line.
pub(crate) fn names(batch: &Object) -> Result<String> {
    // SAFETY: the batch is held; the handle is ours.
    content(&Object::owned(unsafe { (host().batches.names)(batch.handle()) }))
}
