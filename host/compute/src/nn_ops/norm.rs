//! Layer norm and RMS norm over the last axis, alone and fused with the residual sum before them.

use std::sync::Arc;

use super::on_device;
use crate::kernel::{
    Real, by_real, dot, optional_slice, over_rows_2, over_rows_and_sum, require_width, rows_width, slice, squares, sum,
    sum_of, unfilled, value_as, vectorised,
};
use crate::{Error, Result, Tensor, Value};

/// Layer norm over the last axis: `(x - mean) / sqrt(variance + eps) * weight + bias`, variance biased, sums in f32 at
/// least. `x [.., d]`, `weight [d]`, `bias [d]`.
///
/// Ba et al. 2016, arXiv:1607.06450, section 3.
///
/// # Errors
/// When shapes do not fit or a dtype is not floating.
pub fn layer_norm(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    Ok(normalise("layer_norm", x, None, weight, bias, eps, true)?.0)
}

/// RMS norm over the last axis: `x / sqrt(mean of squares + eps) * weight`. `x [.., d]`, `weight [d]`.
///
/// Zhang & Sennrich 2019, arXiv:1910.07467, section 4.
///
/// # Errors
/// As [`layer_norm`].
pub fn rms_norm(x: &Tensor, weight: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    Ok(normalise("rms_norm", x, None, weight, None, eps, false)?.0)
}

/// The layer norm of `x + residual`, and that sum: `(normed, sum)`, both of the shape of `x`.
///
/// # Errors
/// As [`layer_norm`]; and when `x` and `residual` differ in shape or dtype.
pub fn layer_norm_residual(
    x: &Tensor,
    residual: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<(Tensor, Tensor)> {
    normalise("layer_norm_residual", x, Some(residual), weight, bias, eps, true)
}

/// The RMS norm of `x + residual`, and that sum: `(normed, sum)`, both of the shape of `x`.
///
/// # Errors
/// As [`layer_norm_residual`].
pub fn rms_norm_residual(x: &Tensor, residual: &Tensor, weight: Option<&Tensor>, eps: f64) -> Result<(Tensor, Tensor)> {
    normalise("rms_norm_residual", x, Some(residual), weight, None, eps, false)
}

/// What the kernels need beside the elements.
#[derive(Clone, Copy)]
struct Kind {
    width: usize,
    eps: f64,
    /// Subtract the mean (layer norm) or not (RMS norm).
    centered: bool,
}

fn normalise(
    name: &'static str,
    x: &Tensor,
    residual: Option<&Tensor>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
    centered: bool,
) -> Result<(Tensor, Tensor)> {
    let (_, width) = rows_width(name, x)?;
    require_width(name, "the weight", weight, width, x)?;
    require_width(name, "the bias", bias, width, x)?;
    if let Some(residual) = residual
        && (residual.dims() != x.dims() || residual.dtype() != x.dtype())
    {
        let fact = format!(
            "x {} {:?} and the residual {} {:?} differ",
            x.dtype(),
            x.dims(),
            residual.dtype(),
            residual.dims()
        );
        return Err(Error::shape(name, fact).with_help("both are the same rows of the same width"));
    }
    if on_device::is_other(x.device()) {
        return on_device::normalise(name, x, residual, weight, bias, eps, centered);
    }
    let total = match residual {
        Some(residual) => sum_of(x.value(), residual.value())?,
        None => x.value().clone(),
    };
    let kind = Kind { width, eps, centered };
    let (weight_value, bias_value) = (weight.map(|w| w.value().clone()), bias.map(|b| b.value().clone()));
    let inputs: Vec<&Tensor> = [Some(x), residual, weight, bias].into_iter().flatten().collect();
    let residual_slots = 1 + usize::from(residual.is_some());

    by_real!(total.dtype(), T => {
        let (y, statistics) = forward::<T>(&total, weight_value.as_ref(), bias_value.as_ref(), kind)?;
        let statistics = Arc::new(statistics);
        let saved = total.clone();
        let bias_dtype = bias_value.map(|bias| bias.dtype());
        let backward = move |normed: Option<&Value>, sum: Option<&Value>, needs: &[bool]| -> Result<Vec<Option<Value>>> {
            let mut gradients = vec![None; needs.len()];
            let mut dx = None;
            if let Some(normed) = normed {
                let needs_sums = needs[residual_slots..].iter().any(|needed| *needed);
                let (own, sums) = backward::<T>(&saved, normed, weight_value.as_ref(), &statistics, kind, needs_sums)?;
                dx = Some(own);
                if let Some(sums) = sums {
                    let (dw, db) = sums.split_at(width);
                    let mut slot = residual_slots;
                    if let Some(weight) = &weight_value {
                        gradients[slot] = Some(value_as(dw.to_vec(), &[width], weight.dtype())?);
                        slot += 1;
                    }
                    if let Some(dtype) = bias_dtype {
                        gradients[slot] = Some(value_as(db.to_vec(), &[width], dtype)?);
                    }
                }
            }
            let dx = match (dx, sum) {
                (Some(dx), Some(sum)) => Some(sum_of(&dx, sum)?),
                (Some(dx), None) => Some(dx),
                (None, sum) => sum.cloned(),
            };
            for slot in &mut gradients[..residual_slots] {
                slot.clone_from(&dx);
            }
            Ok(gradients)
        };
        if residual.is_none() {
            let y = Tensor::from_op(name, y, &inputs, move |gradient, needs| backward(Some(gradient), None, needs));
            return Ok((y, x.clone()));
        }
        let mut outputs = Tensor::from_op_many(name, vec![y, total], &inputs, move |gradients, needs| {
            backward(gradients[0].as_ref(), gradients[1].as_ref(), needs)
        });
        let sum = outputs.pop().ok_or_else(|| Error::argument(name, "lost its second output"))?;
        let normed = outputs.pop().ok_or_else(|| Error::argument(name, "lost its first output"))?;
        Ok((normed, sum))
    })
}

/// The result, and mean and reciprocal deviation of each row.
fn forward<T: Real>(x: &Value, weight: Option<&Value>, bias: Option<&Value>, kind: Kind) -> Result<(Value, Vec<T>)> {
    let Kind { width, eps, centered } = kind;
    slice!(elements: T = x);
    optional_slice!(weight: T = weight);
    optional_slice!(bias: T = bias);
    let mut y = unfilled(elements.len());
    let mut statistics = unfilled(elements.len().checked_div(width).unwrap_or(0) * 2);
    let count = T::of(width as f64);
    over_rows_2(&mut y, width, &mut statistics, 2, |first, y, statistics| {
        for (index, (y, statistics)) in y.chunks_mut(width).zip(statistics.chunks_mut(2)).enumerate() {
            let row = &elements[(first + index) * width..(first + index + 1) * width];
            let mean = if centered { sum(row) / count } else { T::zero() };
            let scale = T::one() / (squares(row, mean) / count + T::of(eps)).sqrt();
            normalise_row(y, row, mean, scale, weight, bias);
            statistics[0] = mean;
            statistics[1] = scale;
        }
    });
    Ok((value_as(y, x.dims(), x.dtype())?, statistics))
}

type Sums<T> = Option<Vec<T>>;

/// The gradient of x, and those of weight and bias one after the other.
fn backward<T: Real>(
    x: &Value,
    gradient: &Value,
    weight: Option<&Value>,
    statistics: &[T],
    kind: Kind,
    needs_sums: bool,
) -> Result<(Value, Sums<T>)> {
    let Kind { width, centered, .. } = kind;
    slice!(elements: T = x);
    slice!(g: T = gradient);
    optional_slice!(weight: T = weight);
    let count = T::of(width as f64);
    let mut dx = unfilled(elements.len());
    let sums = over_rows_and_sum(&mut dx, width, if needs_sums { 2 * width } else { 0 }, |first, dx, sums| {
        let mut normed = vec![T::zero(); width];
        for (index, dx) in dx.chunks_mut(width).enumerate() {
            let row = first + index;
            let (mean, scale) = (statistics[2 * row], statistics[2 * row + 1]);
            let range = row * width..(row + 1) * width;
            normalise_row(&mut normed, &elements[range.clone()], mean, scale, None, None);
            if needs_sums {
                let (dw, db) = sums.split_at_mut(width);
                add_row(dw, db, &normed, &g[range.clone()]);
            }
            multiply(dx, &g[range], weight);
            let along = dot(dx, &normed) / count;
            let level = if centered { sum(dx) / count } else { T::zero() };
            remove(dx, &normed, level, along, scale);
        }
    });
    let sums = needs_sums.then_some(sums);
    Ok((value_as(dx, x.dims(), x.dtype())?, sums))
}

vectorised! {
    fn normalise_row<T>(y: &mut [T], x: &[T], mean: T, scale: T, weight: Option<&[T]>, bias: Option<&[T]>) {
        match weight {
            Some(weight) => y.iter_mut().zip(x).zip(weight).for_each(|((y, x), w)| *y = (*x - mean) * scale * *w),
            None => y.iter_mut().zip(x).for_each(|(y, x)| *y = (*x - mean) * scale),
        }
        if let Some(bias) = bias {
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += *b);
        }
    }
}

vectorised! {
    fn multiply<T>(out: &mut [T], g: &[T], weight: Option<&[T]>) {
        match weight {
            Some(weight) => out.iter_mut().zip(g).zip(weight).for_each(|((out, g), w)| *out = *g * *w),
            None => out.copy_from_slice(g),
        }
    }
}

vectorised! {
    fn remove<T>(dx: &mut [T], normed: &[T], level: T, along: T, scale: T) {
        for (dx, normed) in dx.iter_mut().zip(normed) {
            *dx = (*dx - level - *normed * along) * scale;
        }
    }
}

vectorised! {
    fn add_row<T>(dw: &mut [T], db: &mut [T], normed: &[T], g: &[T]) {
        for (((dw, db), normed), g) in dw.iter_mut().zip(db).zip(normed).zip(g) {
            *dw += *g * *normed;
            *db += *g;
        }
    }
}
