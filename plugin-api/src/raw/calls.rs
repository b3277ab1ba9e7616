//! Loss parts and collation at the boundary.

use lacuna_abi::{Bytes, CollateCall, Column};

use super::borrow::slice;
use super::errors::checked;
use super::host::host;
use super::object::Object;
use super::values::as_bytes;
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};

pub(crate) fn part(collector: &Object, name: &str, weight: f64, sum: &Object, count: &Object) -> Result<()> {
    // SAFETY: all handles are held, the name outlives the call.
    checked(unsafe { (host().logs.part)(collector.handle(), Bytes::text(name), weight, sum.handle(), count.handle()) })
}

pub(crate) fn metric(collector: &Object, name: &str, sum: &Object, count: &Object) -> Result<()> {
    // SAFETY: as in `part`.
    checked(unsafe { (host().logs.metric)(collector.handle(), Bytes::text(name), sum.handle(), count.handle()) })
}

pub(crate) fn targets(collector: &Object, targets: &Object) -> Result<()> {
    // SAFETY: both handles are held.
    checked(unsafe { (host().logs.targets)(collector.handle(), targets.handle()) })
}

pub(crate) fn item(collector: &Object, name: &str, values: &Object, layout: Option<&Object>, write: u32) -> Result<()> {
    let layout = layout.map_or(lacuna_abi::Handle::NULL, Object::handle);
    // SAFETY: as in `part`; no layout is null.
    checked(unsafe { (host().logs.item)(collector.handle(), Bytes::text(name), values.handle(), layout, write) })
}

pub(crate) fn figure(collector: &Object, name: &str, value: f64) -> Result<()> {
    // SAFETY: the handle is held, the name outlives the call.
    checked(unsafe { (host().logs.figure)(collector.handle(), Bytes::text(name), value) })
}

/// One collation, alive for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Collation<'a>(&'a CollateCall);

// SAFETY: the functions of a collation may be called on any data thread, concurrently.
unsafe impl Send for Collation<'_> {}
// SAFETY: as above.
unsafe impl Sync for Collation<'_> {}

impl<'a> Collation<'a> {
    /// # Safety
    /// `call` is alive for `'a`.
    pub(super) unsafe fn new(call: *const CollateCall) -> Option<Self> {
        // SAFETY: by the caller's promise.
        unsafe { call.as_ref() }.map(Self)
    }

    pub(crate) fn samples(self) -> usize {
        // SAFETY: the call is alive.
        unsafe { (host().batches.samples)(std::ptr::from_ref(self.0)) }
    }

    /// A column of a sample; the elements live as long as the collation.
    pub(crate) fn column<T: Lent>(self, index: usize, name: &str) -> Result<&'a [T]> {
        let mut column = Column { dtype: 0, ptr: std::ptr::null(), len: 0 };
        // SAFETY: the call is alive; the name and `column` outlive the call.
        checked(unsafe {
            (host().batches.sample)(std::ptr::from_ref(self.0), index, Bytes::text(name), &raw mut column)
        })?;
        let found = DType::from_number(column.dtype)?;
        if found != T::DTYPE {
            return Err(Error::new("batch/dtype", format!("the column `{name}` holds {found:?}, not {:?}", T::DTYPE)));
        }
        // SAFETY: the host lends `len` elements of that type until the collation ends.
        unsafe { T::lend(column) }.ok_or_else(|| {
            Error::new("host/column", format!("the column `{name}` is not laid out as {found:?} must be"))
        })
    }

    pub(crate) fn first_row(self, index: usize, modality: &str) -> Result<usize> {
        let mut row = 0;
        // SAFETY: the call is alive; the name and `row` outlive the call.
        checked(unsafe {
            (host().batches.first_row)(std::ptr::from_ref(self.0), index, Bytes::text(modality), &raw mut row)
        })?;
        Ok(row)
    }

    /// The epoch, whether the batch is for training, and the share of the run that is done.
    pub(crate) fn when(self) -> Result<(u64, bool, f64)> {
        let (mut epoch, mut training, mut progress) = (0, 0, 0.0);
        // SAFETY: the call is alive; the places outlive the call.
        checked(unsafe {
            (host().batches.when)(std::ptr::from_ref(self.0), &raw mut epoch, &raw mut training, &raw mut progress)
        })?;
        Ok((epoch, training == 1, progress))
    }

    pub(crate) fn draw(self, index: usize, stream: &str, epoch: u64, first: u64, out: &mut [f64]) -> Result<()> {
        // SAFETY: the call is alive; the name outlives the call; `out` has as many elements as told.
        checked(unsafe {
            (host().batches.draw)(
                std::ptr::from_ref(self.0),
                index,
                Bytes::text(stream),
                epoch,
                first,
                out.as_mut_ptr(),
                out.len(),
            )
        })
    }

    pub(crate) fn add<T: Element>(self, name: &str, data: &[T], dims: &[usize]) -> Result<()> {
        // SAFETY: the call is alive; everything else outlives the call; elements are plain.
        checked(unsafe {
            (host().batches.add)(
                std::ptr::from_ref(self.0),
                Bytes::text(name),
                T::DTYPE.number(),
                dims.as_ptr(),
                dims.len(),
                as_bytes(data),
            )
        })
    }
}

/// Elements that can be read where the host keeps them.
pub(crate) trait Lent: Element {
    /// # Safety
    /// `column` has elements of this type, alive for `'a`.
    unsafe fn lend<'a>(column: Column) -> Option<&'a [Self]> {
        let pointer = column.ptr.cast::<Self>();
        // An unaligned slice is undefined, so it is refused even from the host.
        if column.len > 0 && !pointer.is_aligned() {
            return None;
        }
        // SAFETY: by the caller's promise.
        Some(unsafe { slice(pointer, column.len) })
    }
}

impl Lent for u8 {}
impl Lent for u32 {}
impl Lent for i64 {}
impl Lent for f32 {}
impl Lent for f64 {}

impl Lent for bool {
    unsafe fn lend<'a>(column: Column) -> Option<&'a [Self]> {
        // SAFETY: one byte for each truth value, by the caller's promise.
        let bytes: &[u8] = unsafe { slice(column.ptr, column.len) };
        if bytes.iter().any(|&byte| byte > 1) {
            return None;
        }
        // SAFETY: every byte is 0 or 1.
        Some(unsafe { slice(column.ptr.cast::<bool>(), column.len) })
    }
}
