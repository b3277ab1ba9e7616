//! `lacuna.batches/0`: named columns in a step, samples in collation.

use std::sync::Arc;

use lacuna_abi::{Batches, Bytes, CollateCall, Column, Handle};

use super::batch::Batch;
use super::collation::{self, AddedColumn, Collation};
use super::guard;
use super::object::{self, Content, Object};
use crate::error::{Error, Result};

pub(super) static TABLE: Batches =
    Batches { new, put, get, names, text, bytes, samples, sample, first_row, when, draw, add };

fn batch(object: &Object) -> Result<&Batch> {
    match object.content() {
        Content::Batch(batch) => Ok(batch),
        _ => Err(guard::wrong_kind("the batch", "batch", object)),
    }
}

/// An object made without arguments that could fail; the error in its place when the host panics.
fn made(work: impl FnOnce() -> Result<Arc<Object>>) -> Handle {
    guard::caught(work).map_or_else(guard::error_handle, Object::into_handle)
}

unsafe extern "C" fn new() -> Handle {
    made(|| Ok(Object::new(Content::Batch(Batch::default()))))
}

unsafe extern "C" fn put(target: Handle, name: Bytes, column: Handle) -> Handle {
    guard::answer(|| {
        // SAFETY: handles and text are lent for this call.
        let (target, name) =
            unsafe { (guard::object("the batch", target)?, guard::text("the name of a column", name)?) };
        // SAFETY: as above; a count of the column is taken.
        let column = unsafe { guard::shared(&format!("the column `{name}`"), column)? };
        batch(target)?.put(name, column)
    })
}

unsafe extern "C" fn get(source: Handle, name: Bytes, column: *mut Handle) -> Handle {
    // SAFETY: the plugin gives a place for the result; handles and text are lent for this call.
    unsafe {
        guard::answer_into(column, || {
            let (source, name) = (guard::object("the batch", source)?, guard::text("the name of a column", name)?);
            Ok(batch(source)?.get(name))
        })
    }
}

unsafe extern "C" fn names(source: Handle) -> Handle {
    made(|| {
        // SAFETY: the handle is lent for this call.
        let source = unsafe { guard::object("the batch", source)? };
        Ok(Object::new(Content::Text(batch(source)?.names().join("\n").into_bytes())))
    })
}

unsafe extern "C" fn text(text: Bytes) -> Handle {
    // SAFETY: the bytes are lent for this call.
    made(|| Ok(Object::new(Content::Text(unsafe { text.as_slice() }.to_vec()))))
}

unsafe extern "C" fn bytes(text: Handle) -> Bytes {
    // SAFETY: the plugin holds the handle, so the bytes stay.
    match unsafe { object::borrow(text) }.map(Object::content) {
        Some(Content::Text(text)) => Bytes::slice(text),
        _ => Bytes::EMPTY,
    }
}

/// # Safety
/// `call` must be null or the one the host gave to the running `collate`.
unsafe fn collation<'a>(call: *const CollateCall) -> Result<&'a Collation> {
    // SAFETY: by the caller's promise; the host points it at a `Collation` for the length of the call.
    unsafe { guard::value("the collation", guard::value("the collation", call)?.host.cast::<Collation>()) }
}

unsafe extern "C" fn samples(call: *const CollateCall) -> usize {
    // SAFETY: the plugin passes on what it was given.
    guard::caught(|| Ok(unsafe { collation(call)? }.samples().len())).unwrap_or(0)
}

unsafe extern "C" fn sample(call: *const CollateCall, index: usize, name: Bytes, column: *mut Column) -> Handle {
    guard::answer(|| {
        // SAFETY: the plugin passes on what it was given; the text is lent for this call.
        let (collation, name) = unsafe { (collation(call)?, guard::text("the name of a column", name)?) };
        let sample = collation.sample(index)?;
        let data = sample.columns.get(name).ok_or_else(|| collation::missing(sample, name))?;
        let (dtype, ptr, len) = data.parts();
        // SAFETY: null or writable.
        let column = unsafe { column.as_mut() }.ok_or_else(|| guard::null("the place for the column"))?;
        *column = Column { dtype: guard::dtype_number(dtype)?, ptr, len };
        Ok(())
    })
}

unsafe extern "C" fn first_row(call: *const CollateCall, index: usize, modality: Bytes, row: *mut usize) -> Handle {
    guard::answer(|| {
        // SAFETY: the plugin passes on what it was given; the text is lent for this call.
        let (collation, modality) = unsafe { (collation(call)?, guard::text("the name of a modality", modality)?) };
        let first = collation.sample(index)?.first_rows.get(modality).ok_or_else(|| {
            Error::new("batch/modality", format!("the batch has no rows of the modality `{modality}`"))
                .with_help(format!("add a section [data.{modality}]"))
        })?;
        // SAFETY: null or writable.
        *unsafe { row.as_mut() }.ok_or_else(|| guard::null("the place for the row"))? = *first;
        Ok(())
    })
}

unsafe extern "C" fn when(call: *const CollateCall, epoch: *mut u64, training: *mut u32, progress: *mut f64) -> Handle {
    guard::answer(|| {
        // SAFETY: the plugin passes on what it was given.
        let collation = unsafe { collation(call)? };
        if epoch.is_null() || training.is_null() || progress.is_null() {
            return Err(guard::null("the place for epoch and progress"));
        }
        // SAFETY: not null; the plugin gives places that it holds alone.
        unsafe {
            epoch.write(collation.epoch());
            training.write(u32::from(collation.progress().is_some()));
            progress.write(collation.progress().unwrap_or(1.0));
        }
        Ok(())
    })
}

unsafe extern "C" fn draw(
    call: *const CollateCall,
    index: usize,
    stream: Bytes,
    epoch: u64,
    first: u64,
    out: *mut f64,
    len: usize,
) -> Handle {
    guard::answer(|| {
        // SAFETY: the plugin passes on what it was given; the text is lent for this call.
        let (collation, stream) = unsafe { (collation(call)?, guard::text("the name of a stream", stream)?) };
        if len == 0 {
            return Ok(());
        }
        if out.is_null() {
            return Err(guard::null("the place for the draws"));
        }
        // SAFETY: not null; the plugin gives `len` numbers that it holds alone.
        collation.draw(index, stream, epoch, first, unsafe { std::slice::from_raw_parts_mut(out, len) })
    })
}

unsafe extern "C" fn add(
    call: *const CollateCall,
    name: Bytes,
    dtype: u32,
    dims: *const usize,
    rank: usize,
    data: Bytes,
) -> Handle {
    guard::answer(|| {
        // SAFETY: the plugin passes on what it was given; the rest is lent for this call.
        let (collation, name) = unsafe { (collation(call)?, guard::text("the name of a column", name)?) };
        // SAFETY: as above.
        let (dims, data) = unsafe { (guard::slice("the shape", dims, rank)?.to_vec(), data.as_slice().to_vec()) };
        collation.add(name, AddedColumn { dtype: guard::dtype(dtype)?, dims, data })
    })
}
