//! Writing at places: elements and rows put into, or added to, a base tensor.
//!
//! What meets at one place is written or added in the order of the source, on every number of threads.

use std::sync::Arc;

use super::axis::{add_rows, gather_rows};
use super::index::{add_picked, element_indices, picked, rows_under, true_places};
use super::shape::reshape_to;
use crate::kernel::{
    Blocks, axis_of, by_element, by_real, indices_of, on_cpu, same_dtype, sum_of, value_of, with_slice,
};
use crate::tape::require_float;
use crate::{Device, Error, Result, Tensor};

fn same_shape(name: &'static str, indices: &Tensor, source: &Tensor) -> Result<()> {
    if indices.dims() == source.dims() {
        return Ok(());
    }
    let fact = format!("indices {:?} and source {:?} differ in shape", indices.dims(), source.dims());
    Err(Error::shape(name, fact).with_help("there is one index for each element of the source"))
}

/// `base` with the elements of `source` put at `indices` along `axis`; where several meet, the last one stays.
///
/// The base gets no gradient where it is overwritten, the source only where it stays.
///
/// # Errors
/// When dtypes or shapes differ (`indices` and `source` alike, and like `base` but for the axis), or an index is out of range.
pub fn scatter(base: &Tensor, axis: i64, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
    same_dtype("scatter", base, source)?;
    same_shape("scatter", indices, source)?;
    let (axis, numbers) = element_indices("scatter", base.dims(), axis, indices)?;
    let blocks = Blocks::of(base.dims(), axis);
    // For each place the source element that stays there, counted from 1; 0 where the base stays.
    let mut writer = vec![0usize; base.elements()];
    let per_block = numbers.len().checked_div(blocks.before).unwrap_or(0);
    let target = |at: usize| ((at / per_block) * blocks.len + numbers[at] as usize) * blocks.after + at % blocks.after;
    (0..numbers.len()).for_each(|at| writer[target(at)] = at + 1);
    let stays: Vec<bool> = (0..numbers.len()).map(|at| writer[target(at)] == at + 1).collect();
    let (below, above) = (base.value().to_device(&Device::Cpu)?, source.value().to_device(&Device::Cpu)?);
    let value = by_element!(below.dtype(), T => with_slice::<T, _>(&below, |base_slice| with_slice::<T, _>(&above, |source| {
        let written = base_slice.iter().zip(&writer).map(|(own, at)| if *at == 0 { *own } else { source[*at - 1] });
        value_of(written.collect::<Vec<T>>(), base.dims())
    })))?;
    let (base_shape, source_shape) = (base.dims().to_vec(), source.dims().to_vec());
    Ok(Tensor::from_op("scatter", value.to_device(base.device())?, &[base, source], move |gradient, needs| {
        let kept = on_cpu(&[gradient], |v| {
            by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |gradient| {
                let kept = gradient.iter().zip(&writer).map(|(gradient, at)| if *at == 0 { *gradient } else { 0.0 });
                value_of(kept.collect::<Vec<T>>(), &base_shape)
            }))
        });
        let put = on_cpu(&[gradient], |v| {
            by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |gradient| {
                let mut put = picked(gradient, blocks, &numbers);
                put.iter_mut().zip(&stays).filter(|(_, stays)| !**stays).for_each(|(put, _)| *put = 0.0);
                value_of(put, &source_shape)
            }))
        });
        Ok(vec![if needs[0] { Some(kept?) } else { None }, if needs[1] { Some(put?) } else { None }])
    }))
}

/// `base` with the elements of `source` added at `indices` along `axis`; what meets at one place adds up.
///
/// # Errors
/// When dtypes or shapes differ (`indices` and `source` alike, and like `base` but for the axis), are no floats, or an index is out of range.
pub fn scatter_add(base: &Tensor, axis: i64, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
    require_float("scatter_add", base)?;
    same_dtype("scatter_add", base, source)?;
    same_shape("scatter_add", indices, source)?;
    let (axis, numbers) = element_indices("scatter_add", base.dims(), axis, indices)?;
    let blocks = Blocks::of(base.dims(), axis);
    let value = on_cpu(&[base.value(), source.value()], |v| {
        by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |base| with_slice::<T, _>(&v[1], |source| {
            let mut out = base.to_vec();
            add_picked(&mut out, blocks, &numbers, source);
            value_of(out, v[0].dims())
        })))
    })?;
    let source_shape = source.dims().to_vec();
    Ok(Tensor::from_op("scatter_add", value, &[base, source], move |gradient, needs| {
        let to_source = || {
            on_cpu(
                &[gradient],
                |v| by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |gradient| value_of(picked(gradient, blocks, &numbers), &source_shape))),
            )
        };
        Ok(vec![Some(gradient.clone()), if needs[1] { Some(to_source()?) } else { None }])
    }))
}

/// `base` with row i of `source` added to its row `indices[i]` along `axis`; rows that meet add up.
///
/// # Errors
/// When dtypes differ or are no floats, another axis differs, there is not one index `[n]` for each row, or one is out of range.
pub fn index_add(base: &Tensor, axis: i64, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
    require_float("index_add", base)?;
    same_dtype("index_add", base, source)?;
    let axis = axis_of("index_add", axis, base.rank())?;
    let mut expected = base.dims().to_vec();
    expected[axis] = indices.elements();
    if source.dims() != expected || indices.rank() != 1 {
        let fact =
            format!("source {:?} with indices {:?} does not fit base {:?}", source.dims(), indices.dims(), base.dims());
        return Err(Error::shape("index_add", fact).with_help(format!("these indices want a source of {expected:?}")));
    }
    let len = base.dims()[axis];
    let numbers = Arc::new(indices_of("index_add", indices, len)?);
    let value = sum_of(base.value(), &add_rows(source.value(), axis, &numbers, len)?)?;
    Ok(Tensor::from_op("index_add", value, &[base, source], move |gradient, needs| {
        let to_source = || gather_rows(gradient, axis, &numbers);
        Ok(vec![Some(gradient.clone()), if needs[1] { Some(to_source()?) } else { None }])
    }))
}

/// `x` with its rows where `mask` (bool, over leading axes) is true replaced, in order, by `rows` [count, rest...].
///
/// It undoes `masked_select`, and puts embeddings of another modality at their places in a text.
///
/// # Errors
/// When the mask is not bool or not of the leading axes, or there are more or fewer rows than true places.
pub fn take_where(x: &Tensor, mask: &Tensor, rows: &Tensor) -> Result<Tensor> {
    same_dtype("take_where", x, rows)?;
    let base = rows_under("take_where", x, mask)?;
    let places = true_places("take_where", mask)?;
    let mut expected = base.dims().to_vec();
    expected[0] = places.len();
    if rows.dims() != expected {
        let fact = format!("{:?} for {} true places in {:?}", rows.dims(), places.len(), x.dims());
        return Err(Error::shape("take_where", fact).with_help(format!("rows of shape {expected:?} are wanted")));
    }
    // Rows of x first, then those of `rows`: one choice by number for each place.
    let mut choice: Vec<u32> = (0..base.dims()[0] as u32).collect();
    places.iter().enumerate().for_each(|(row, place)| choice[*place as usize] = base.dims()[0] as u32 + row as u32);
    let both = super::shape::cat(&[&base, rows], 0)?;
    reshape_to("take_where", &super::axis::take("take_where", &both, 0, choice)?, x.dims())
}
