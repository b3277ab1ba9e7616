//! Sorting along an axis, stable, with gradients for the values.
//!
//! Equal elements keep their order in both directions; NaN counts as larger than every number.

use std::cmp::Ordering;

use candle_core::WithDType;
use rayon::prelude::*;

use super::index::gather;
use crate::kernel::{Blocks, axis_of, by_element, value_of, with_slice};
use crate::{Device, Error, Result, Tensor};

/// NaN above every number; equal otherwise by value.
#[allow(clippy::eq_op, reason = "only a NaN differs from itself, and integers have no is_nan")]
fn order<T: PartialOrd + Copy>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// The first `count` places of each line in sorted order, as u32 with `axis` of length `count`.
fn ranks(name: &'static str, x: &Tensor, axis: i64, count: Option<usize>, descending: bool) -> Result<Tensor> {
    let axis = axis_of(name, axis, x.rank())?;
    let blocks = Blocks::of(x.dims(), axis);
    let count = count.unwrap_or(blocks.len);
    if count > blocks.len {
        let fact = format!("the first {count} along axis {axis} of {:?}, which has {}", x.dims(), blocks.len);
        return Err(Error::shape(name, fact));
    }
    let mut shape = x.dims().to_vec();
    shape[axis] = count;
    let value = x.value().to_device(&Device::Cpu)?;
    let found = by_element!(value.dtype(), T => with_slice::<T, _>(&value, |x| value_of(ranked(x, blocks, count, descending), &shape)))?;
    Ok(Tensor::from_op_constant(found.to_device(x.device())?, false))
}

fn ranked<T: WithDType>(x: &[T], blocks: Blocks, count: usize, descending: bool) -> Vec<u32> {
    let Blocks { before, len, after } = blocks;
    let lines: Vec<Vec<u32>> = (0..before * after)
        .into_par_iter()
        .map(|line| {
            let start = (line / after) * len * after + line % after;
            let at = |place: u32| x[start + place as usize * after];
            // With the place as second key no two are equal, so an unstable sort is stable.
            let compare = |a: &u32, b: &u32| {
                let values = order(at(*a), at(*b));
                (if descending { values.reverse() } else { values }).then(a.cmp(b))
            };
            let mut places: Vec<u32> = (0..len as u32).collect();
            if count < len {
                if count > 0 {
                    places.select_nth_unstable_by(count - 1, compare);
                }
                places.truncate(count);
            }
            places.sort_unstable_by(compare);
            places
        })
        .collect();
    let mut out = vec![0; before * count * after];
    for (line, places) in lines.iter().enumerate() {
        for (rank, place) in places.iter().enumerate() {
            out[((line / after) * count + rank) * after + line % after] = *place;
        }
    }
    out
}

/// The elements along `axis` in ascending or descending order, and where each came from (u32). Values carry gradient.
///
/// # Errors
/// When the axis is not there.
pub fn sort(x: &Tensor, axis: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    let places = ranks("sort", x, axis, None, descending)?;
    Ok((gather(x, axis, &places)?, places))
}

/// Where the elements along `axis` come from in ascending or descending order (u32). A constant.
///
/// # Errors
/// When the axis is not there.
pub fn argsort(x: &Tensor, axis: i64, descending: bool) -> Result<Tensor> {
    ranks("argsort", x, axis, None, descending)
}

/// The `count` largest (or smallest) along `axis`, best first, and their places (u32). Values carry gradient.
///
/// # Errors
/// When the axis is not there or shorter than `count`.
pub fn top_k(x: &Tensor, count: usize, axis: i64, largest: bool) -> Result<(Tensor, Tensor)> {
    let places = ranks("top_k", x, axis, Some(count), largest)?;
    Ok((gather(x, axis, &places)?, places))
}
