//! What the operations share: values as slices, loops over them in fixed chunks, axes and broadcast shapes.
//!
//! Kernels run on the CPU in f32 or f64; bf16 and f16 go through f32, values of another device through the CPU unless
//! the operation has a form for that device. Chunks are fixed, so no result depends on the number of threads.

use candle_core::{Storage, WithDType};
use rayon::prelude::*;

use super::real::Real;
use crate::{Device, Error, Result, Tensor, Value};

/// Elements that one task takes at once.
pub(crate) const CHUNK: usize = 1 << 14;

/// Calls `work` with the elements in order (a copy where they don't lie so), which must be of type `T` on the CPU.
pub(crate) fn with_slice<T: WithDType, R>(value: &Value, work: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let value = value.contiguous()?;
    let (storage, layout) = value.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(cpu), Some((start, end))) => work(&cpu.as_slice::<T>()?[start..end]),
        _ => Err(Error::Device { operation: "tensor", fact: "a CPU kernel met a value of another device".into() }),
    }
}

/// Runs a CPU kernel that takes values of f32 or f64 and gives one: widens bf16 and f16, fetches from other devices.
///
/// The first value says dtype and device of the result.
pub(crate) fn on_cpu(values: &[&Value], kernel: impl Fn(&[Value]) -> Result<Value>) -> Result<Value> {
    use candle_core::DType::{BF16, F16, F32};
    let (dtype, device) = (values[0].dtype(), values[0].device().clone());
    let narrow = matches!(dtype, BF16 | F16);
    let prepare = |value: &&Value| -> Result<Value> {
        let value = value.to_device(&Device::Cpu)?;
        Ok(if matches!(value.dtype(), BF16 | F16) { value.to_dtype(F32)? } else { value })
    };
    let prepared: Vec<Value> = values.iter().map(prepare).collect::<Result<_>>()?;
    let result = kernel(&prepared)?;
    let result = if narrow && result.dtype() == F32 { result.to_dtype(dtype)? } else { result };
    Ok(result.to_device(&device)?)
}

/// Calls a generic function for the float type of a value: `with_real!(value, T => kernel::<T>(...))`.
macro_rules! with_real {
    ($value:expr, $type:ident => $body:expr) => {
        match $value.dtype() {
            candle_core::DType::F32 => {
                type $type = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $type = f64;
                $body
            }
            other => {
                Err($crate::Error::Device { operation: "kernel", fact: format!("{other:?} is neither f32 nor f64") })
            }
        }
    };
}
pub(crate) use with_real;

/// Calls a generic function for the element type of a value, whatever it is.
macro_rules! with_element {
    ($value:expr, $type:ident => $body:expr) => {
        match $value.dtype() {
            candle_core::DType::U8 => {
                type $type = u8;
                $body
            }
            candle_core::DType::U32 => {
                type $type = u32;
                $body
            }
            candle_core::DType::I64 => {
                type $type = i64;
                $body
            }
            candle_core::DType::BF16 => {
                type $type = half::bf16;
                $body
            }
            candle_core::DType::F16 => {
                type $type = half::f16;
                $body
            }
            candle_core::DType::F32 => {
                type $type = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $type = f64;
                $body
            }
            other => {
                Err($crate::Error::Device { operation: "kernel", fact: format!("{other:?} is not an element type") })
            }
        }
    };
}
pub(crate) use with_element;

/// A value from elements on the CPU.
pub(crate) fn value_of<T: WithDType>(elements: Vec<T>, shape: &[usize]) -> Result<Value> {
    Ok(Value::from_vec(elements, shape, &Device::Cpu)?)
}

/// `f` of every element.
pub(crate) fn map<T: Real>(value: &Value, f: impl Fn(T) -> T + Sync) -> Result<Value> {
    with_slice::<T, _>(value, |x| {
        let mut out = vec![T::zero(); x.len()];
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x));
        });
        value_of(out, value.dims())
    })
}

/// `f` of every pair of elements of two values of one shape.
pub(crate) fn zip<T: Real>(a: &Value, b: &Value, f: impl Fn(T, T) -> T + Sync) -> Result<Value> {
    with_slice::<T, _>(a, |x| {
        with_slice::<T, _>(b, |y| {
            let mut out = vec![T::zero(); x.len()];
            out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK))).for_each(|(out, (x, y))| {
                out.iter_mut().zip(x.iter().zip(y)).for_each(|(out, (x, y))| *out = f(*x, *y));
            });
            value_of(out, a.dims())
        })
    })
}

/// A shape seen from one axis, or one run of axes: `before` blocks of `len` rows of `after` elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    pub(crate) before: usize,
    pub(crate) len: usize,
    pub(crate) after: usize,
}

impl Blocks {
    pub(crate) fn of(shape: &[usize], axis: usize) -> Self {
        Self { before: shape[..axis].iter().product(), len: shape[axis], after: shape[axis + 1..].iter().product() }
    }
}

/// One result for every line along the middle of `blocks`; `f` gets the line's elements in order.
pub(crate) fn lines<T: WithDType, R: Send + Clone + Default>(
    data: &[T],
    blocks: Blocks,
    f: impl Fn(&mut dyn Iterator<Item = T>) -> R + Sync,
) -> Vec<R> {
    let Blocks { before, len, after } = blocks;
    let mut out = vec![R::default(); before * after];
    let chunk = (CHUNK / len.max(1)).max(1);
    out.par_chunks_mut(chunk).enumerate().for_each(|(index, out)| {
        for (offset, out) in out.iter_mut().enumerate() {
            let line = index * chunk + offset;
            let start = (line / after) * len * after + line % after;
            *out = if after == 1 {
                f(&mut data[start..start + len].iter().copied())
            } else {
                f(&mut (0..len).map(|at| data[start + at * after]))
            };
        }
    });
    out
}

/// The axis that `axis` means in a tensor of `rank` axes.
pub(crate) fn axis_of(operation: &'static str, axis: i64, rank: usize) -> Result<usize> {
    let index = if axis < 0 { axis + rank as i64 } else { axis };
    if index < 0 || index >= rank as i64 {
        return Err(Error::shape(operation, format!("axis {axis} of a tensor of {rank} axes"))
            .with_help("axes are counted from 0, or from the last one as -1"));
    }
    Ok(index as usize)
}

/// The distinct axes that `axes` means, ascending; an empty list means all of them.
pub(crate) fn axes_of(operation: &'static str, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    if axes.is_empty() {
        return Ok((0..rank).collect());
    }
    let mut found = axes.iter().map(|axis| axis_of(operation, *axis, rank)).collect::<Result<Vec<usize>>>()?;
    found.sort_unstable();
    if found.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::shape(operation, format!("axes {axes:?} name one axis twice")));
    }
    Ok(found)
}

/// The shape that two shapes broadcast to.
pub(crate) fn broadcast_shape(operation: &'static str, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            (x, y) => {
                let fact = format!("{a:?} and {b:?} do not broadcast: {x} and {y} at axis {axis} of the result");
                Err(Error::shape(operation, fact).with_help(
                    "lengths must be equal or 1, counted from the last axis; `unsqueeze` adds an axis of length 1",
                ))
            }
        })
        .collect()
}

/// An error unless both are of one dtype.
pub(crate) fn same_dtype(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.dtype() == b.dtype() {
        return Ok(());
    }
    Err(Error::argument(operation, format!("the inputs are {} and {}: cast one of them", a.dtype(), b.dtype())))
}

/// Reads whole numbers of dtype u32 or i64, each below `limit`.
pub(crate) fn indices_of(operation: &'static str, indices: &Tensor, limit: usize) -> Result<Vec<u32>> {
    let value = indices.value().to_device(&Device::Cpu)?;
    let fault = |index: i64, at: usize| {
        Error::argument(operation, format!("index {index} (element {at} of the indices) is outside 0..{limit}"))
    };
    match indices.dtype() {
        crate::DType::U32 => {
            with_slice::<u32, _>(&value, |slice| match slice.iter().position(|index| *index as usize >= limit) {
                Some(at) => Err(fault(i64::from(slice[at]), at)),
                None => Ok(slice.to_vec()),
            })
        }
        crate::DType::I64 => with_slice::<i64, _>(&value, |slice| {
            slice
                .iter()
                .enumerate()
                .map(|(at, index)| {
                    u32::try_from(*index)
                        .ok()
                        .filter(|small| (*small as usize) < limit)
                        .ok_or_else(|| fault(*index, at))
                })
                .collect()
        }),
        other => Err(Error::dtype(operation, other).with_help("indices are u32 or i64")),
    }
}
