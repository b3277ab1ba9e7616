//! Matrix products.

use rayon::prelude::*;

use super::shape::{reshape_to, unsqueeze};
use crate::kernel::{Real, broadcast_shape, by_real, matrices, new_product, unfilled, value_of};
use crate::tape::{require_float, unbroadcast};
use crate::{Error, Result, Tensor, Value};

/// The product of values [.., m, k] and [.., k, n]; leading axes broadcast. bf16 and f16 go through f32 on the CPU.
pub(crate) fn product(a: &Value, b: &Value) -> Result<Value> {
    use candle_core::DType::{BF16, F16, F32};
    if a.device().is_cpu() && matches!(a.dtype(), BF16 | F16) {
        return Ok(product(&a.to_dtype(F32)?, &b.to_dtype(F32)?)?.to_dtype(a.dtype())?);
    }
    let (a_dims, b_dims) = (a.dims(), b.dims());
    let (m, k, n) = (a_dims[a_dims.len() - 2], a_dims[a_dims.len() - 1], b_dims[b_dims.len() - 1]);
    let (a_batch, b_batch) = (&a_dims[..a_dims.len() - 2], &b_dims[..b_dims.len() - 2]);
    let batch = broadcast_shape("matmul", a_batch, b_batch)?;
    let shape: Vec<usize> = batch.iter().copied().chain([m, n]).collect();
    if b_batch.iter().all(|length| *length == 1) {
        // One right side for all: the rows of all batches are one matrix. A matrix stays as it lies, also transposed.
        let rows: usize = a_dims[..a_dims.len() - 1].iter().product();
        let flat = |value: &Value, rows: usize, columns: usize| -> Result<Value> {
            Ok(if value.rank() == 2 { value.clone() } else { value.reshape((rows, columns))? })
        };
        return Ok(plain(&flat(a, rows, k)?, &flat(b, k, n)?)?.reshape(shape)?);
    }
    let count: usize = batch.iter().product();
    let flat = |value: &Value, own: &[usize], rows: usize, columns: usize| -> Result<Value> {
        let wide: Vec<usize> = batch.iter().copied().chain([rows, columns]).collect();
        if own == batch.as_slice() {
            return as_batches(value, count, rows, columns);
        }
        Ok(value.broadcast_as(wide)?.contiguous()?.reshape((count, rows, columns))?)
    };
    Ok(plain(&flat(a, a_batch, m, k)?, &flat(b, b_batch, k, n)?)?.reshape(shape)?)
}

/// [batch.., rows, columns] as [count, rows, columns]; without a copy when only the last two axes are exchanged.
fn as_batches(value: &Value, count: usize, rows: usize, columns: usize) -> Result<Value> {
    let rank = value.rank();
    let turned = value.transpose(rank - 2, rank - 1)?;
    if !value.is_contiguous() && turned.is_contiguous() {
        return Ok(turned.reshape((count, columns, rows))?.transpose(1, 2)?);
    }
    Ok(value.reshape((count, rows, columns))?)
}

/// A product of equal batches `[m, k]` and `[k, n]` or `[count, m, k]` and `[count, k, n]`.
///
/// On the CPU it is ours: candle's takes one thread. Elsewhere strides that the library is not known to take are copied.
fn plain(a: &Value, b: &Value) -> Result<Value> {
    if a.device().is_cpu() {
        return by_real!(a.dtype(), T => on_cpu::<T>(a, b));
    }
    let regular = |value: &Value| -> Result<Value> {
        let turned = value.t()?;
        Ok(if value.is_contiguous() || turned.is_contiguous() { value.clone() } else { value.contiguous()? })
    };
    Ok(regular(a)?.matmul(&regular(b)?)?)
}

fn on_cpu<T: Real>(a: &Value, b: &Value) -> Result<Value> {
    matrices!(left: T = a);
    matrices!(right: T = b);
    let rank = a.rank();
    let (m, n) = (a.dims()[rank - 2], b.dims()[rank - 1]);
    let count = if rank == 2 { 1 } else { a.dims()[0] };
    let shape: Vec<usize> = a.dims()[..rank - 2].iter().copied().chain([m, n]).collect();
    if count == 1 {
        return value_of(new_product(left.matrix(0), right.matrix(0)), &shape);
    }
    let mut out = unfilled(count * m * n);
    if m * n > 0 {
        out.par_chunks_mut(m * n).enumerate().for_each(|(index, out)| {
            crate::kernel::product(out, n, false, T::one(), left.matrix(index), right.matrix(index), false);
        });
    }
    value_of(out, &shape)
}

/// The product over the last axis of `a` and the last but one of `b`; leading axes broadcast.
///
/// A vector is a row on the left, a column on the right, and that axis is gone from the result.
///
/// # Errors
/// When dtypes differ or are no floats, either is a scalar, or the lengths do not fit.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    require_float("matmul", a)?;
    crate::kernel::same_dtype("matmul", a, b)?;
    if a.rank() == 0 || b.rank() == 0 {
        let fact = format!("cannot multiply {:?} by {:?}: a scalar is no matrix", a.dims(), b.dims());
        return Err(Error::shape("matmul", fact).with_help("`mul` multiplies by a scalar"));
    }
    let inner = b.dims()[b.rank().saturating_sub(2)];
    let last = a.dims()[a.rank() - 1];
    if last != inner {
        let fact = format!("cannot multiply {:?} by {:?}: {last} columns and {inner} rows differ", a.dims(), b.dims());
        return Err(Error::shape("matmul", fact).with_help(
            "the last axis of the left and the last but one of the right are multiplied; `transpose` turns one",
        ));
    }
    let left = if a.rank() == 1 { unsqueeze(a, 0)? } else { a.clone() };
    let right = if b.rank() == 1 { unsqueeze(b, 1)? } else { b.clone() };
    let value = product(left.value(), right.value())?;
    let mut shape = value.dims().to_vec();
    let (left_kept, right_kept) = (left.value().clone(), right.value().clone());
    let result = Tensor::from_op("matmul", value, &[&left, &right], move |gradient, needs| {
        let to_left = || product(gradient, &right_kept.t()?).and_then(|wide| unbroadcast(&wide, left_kept.dims()));
        let to_right = || {
            if right_kept.elem_count() == right_kept.dims()[right_kept.rank() - 2..].iter().product::<usize>() {
                // One right side for all batches: one product over the rows of all of them.
                let flat = |value: &Value| -> Result<Value> {
                    let columns = value.dims()[value.rank() - 1];
                    let rows: usize = value.dims()[..value.rank() - 1].iter().product();
                    Ok(value.reshape((rows, columns))?)
                };
                // Leading axes of the left are those of the result, since the right has none beside ones.
                let wide = left_kept.broadcast_as(with_batch_of(gradient, &left_kept))?;
                return Ok(product(&flat(&wide)?.t()?, &flat(gradient)?)?.reshape(right_kept.shape())?);
            }
            unbroadcast(&product(&left_kept.t()?, gradient)?, right_kept.dims())
        };
        Ok(vec![if needs[0] { Some(to_left()?) } else { None }, if needs[1] { Some(to_right()?) } else { None }])
    });
    if b.rank() == 1 {
        shape.pop();
    }
    if a.rank() == 1 {
        shape.remove(shape.len() - 1 - usize::from(b.rank() != 1));
    }
    reshape_to("matmul", &result, &shape)
}

/// The shape of `value` with the leading axes of `like`.
fn with_batch_of(like: &Value, value: &Value) -> Vec<usize> {
    like.dims()[..like.rank() - 2].iter().chain(&value.dims()[value.rank() - 2..]).copied().collect()
}

/// The products of every element of `a` `[m]` with every one of `b` `[n]`: `[m, n]`.
///
/// # Errors
/// When either is no vector, or dtypes differ.
pub fn outer(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank() != 1 || b.rank() != 1 {
        return Err(Error::shape("outer", format!("{:?} and {:?} are not two vectors", a.dims(), b.dims())));
    }
    super::mul(&unsqueeze(a, 1)?, &unsqueeze(b, 0)?)
}

/// Σ a·b over the last axis; leading axes broadcast.
///
/// # Errors
/// When dtypes differ or are no floats, either is a scalar, or shapes do not broadcast.
pub fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    require_float("dot", a)?;
    if a.rank() == 0 || b.rank() == 0 {
        return Err(Error::shape("dot", format!("{:?} and {:?}: a scalar has no last axis", a.dims(), b.dims())));
    }
    super::sum(&super::mul(a, b)?, &[-1], false)
}
