//! A value on the CPU as the matrices of its last two axes, with the strides it has.

use candle_core::{Layout, Storage, WithDType};

use super::{Matrix, plain};
use crate::{Error, Result, Value};

/// Binds a name to the [`Matrices`] of a value, converted to a type where needed; a transposed value costs no copy.
macro_rules! matrices {
    ($name:ident: $T:ty = $value:expr) => {
        let held = $crate::kernel::positive::<$T>($value)?;
        let (storage, layout) = held.storage_and_layout();
        let $name = $crate::kernel::Matrices::<$T>::new(&storage, layout)?;
    };
}

pub(crate) use matrices;

/// The value in type `T` with strides that a product takes: none of 0 along an axis longer than 1.
pub(crate) fn positive<T: WithDType>(value: &Value) -> Result<Value> {
    let taken = value.stride().iter().zip(value.dims()).all(|(stride, length)| *stride > 0 || *length <= 1);
    if taken { Ok(value.to_dtype(T::DTYPE)?) } else { plain::<T>(value) }
}

/// The elements of `[rows, columns]` or `[count, rows, columns]`, and how they lie.
pub(crate) struct Matrices<'a, T> {
    data: &'a [T],
    layout: &'a Layout,
}

impl<'a, T: WithDType> Matrices<'a, T> {
    pub(crate) fn new(storage: &'a Storage, layout: &'a Layout) -> Result<Self> {
        let Storage::Cpu(cpu) = storage else {
            return Err(Error::argument("product", "the two sides live on different devices"));
        };
        Ok(Self { data: &cpu.as_slice::<T>()?[layout.start_offset()..], layout })
    }

    /// Matrix number `index`; of a value of two axes it is 0.
    pub(crate) fn matrix(&self, index: usize) -> Matrix<'a, T> {
        let (dims, strides) = (self.layout.dims(), self.layout.stride());
        let last = dims.len() - 2;
        let start = strides[..last].first().map_or(0, |stride| index * stride);
        let data = self.data.get(start..).unwrap_or_default();
        Matrix::with_strides(data, dims[last], dims[last + 1], (strides[last], strides[last + 1]))
    }
}
