//! Checks of what an operation is given: axes, shapes, dtypes, indices.

use super::with_slice;
use crate::{DType, Device, Error, Result, Tensor};

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
        DType::U32 => {
            with_slice::<u32, _>(&value, |slice| match slice.iter().position(|index| *index as usize >= limit) {
                Some(at) => Err(fault(i64::from(slice[at]), at)),
                None => Ok(slice.to_vec()),
            })
        }
        DType::I64 => with_slice::<i64, _>(&value, |slice| {
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

/// The last axis of `x`, and how many rows the others make.
pub(crate) fn rows_width(operation: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    crate::tape::require_float(operation, x)?;
    match x.dims().split_last() {
        Some((width, rest)) => Ok((rest.iter().product(), *width)),
        None => Err(Error::shape(operation, "the input is a single number and has no last axis")
            .with_help("give it an axis of length 1")),
    }
}

/// An error unless `tensor` has shape `[width]`.
pub(crate) fn require_width(
    operation: &'static str,
    what: &str,
    tensor: Option<&Tensor>,
    width: usize,
    x: &Tensor,
) -> Result<()> {
    match tensor {
        Some(tensor) if tensor.dims() != [width] => Err(Error::shape(
            operation,
            format!("{what} has shape {:?}, but the input {:?} needs [{width}]", tensor.dims(), x.dims()),
        )
        .with_help(format!("{what} holds one number for each of the {width} features of the last axis"))),
        Some(tensor) => crate::tape::require_float(operation, tensor).map(|_| ()),
        None => Ok(()),
    }
}

/// Ids from a u32, i64 or u8 tensor.
pub(crate) fn ids(operation: &'static str, tensor: &Tensor) -> Result<Vec<i64>> {
    if !matches!(tensor.dtype(), DType::U32 | DType::I64 | DType::U8) {
        return Err(Error::dtype(operation, tensor.dtype()).with_help("ids are u32 or i64"));
    }
    Ok(tensor.value().to_dtype(candle_core::DType::I64)?.flatten_all()?.to_vec1::<i64>()?)
}
