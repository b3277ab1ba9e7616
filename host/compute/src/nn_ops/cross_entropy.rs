//! Softmax cross-entropy per row, with ignored labels, smoothing, or soft targets.

use std::sync::Arc;

use super::on_device;
use crate::kernel::{
    Real, by_real, dot, ids, lane_sum_2, max, over_rows, over_rows_2, slice, sum, sum_exp, unfilled, value_as,
    vectorised,
};
use crate::{Error, Result, Tensor, Value};

/// The target that says "no loss here" unless another is asked for.
pub const IGNORE: i64 = -100;

/// The cross-entropy of each row, `[n]`: `logits [n, v]`, `targets [n]` (u32 or i64), in f32 at least; 0 at rows whose
/// target is `ignore`.
///
/// With smoothing ε the target distribution is `1 - ε` on the target plus `ε / v` on all (Szegedy et al. 2016,
/// arXiv:1512.00567, section 7). Summing and the count are the caller's.
///
/// # Errors
/// When shapes do not fit, a target is outside `0..v` (the error names it), or ε is outside 0 to 1.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, ignore: i64, smoothing: f64) -> Result<Tensor> {
    const NAME: &str = "cross_entropy";
    let (rows, classes) = matrix_dims(NAME, logits)?;
    let targets = checked_targets(NAME, targets, rows, classes, ignore, smoothing)?;
    if on_device::is_other(logits.device()) {
        return on_device::cross_entropy(logits, &targets, smoothing);
    }
    let x = logits.value().clone();
    by_real!(x.dtype(), T => {
        let (loss, lse) = forward::<T>(&x, &targets, smoothing)?;
        Ok(Tensor::from_op(NAME, loss, &[logits], move |gradient, _| {
            Ok(vec![Some(backward::<T>(&x, &targets, &lse, smoothing, gradient)?)])
        }))
    })
}

/// The cross-entropy of each row against distributions, `[n]`: `-Σ p log softmax(logits)`; `logits` and `targets` `[n, v]`.
///
/// Targets need not sum to 1; a row of zeros gives 0. Both inputs get gradients.
///
/// # Errors
/// When shapes differ or a dtype is not floating.
pub fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    const NAME: &str = "soft_cross_entropy";
    let (rows, _) = matrix_dims(NAME, logits)?;
    crate::tape::require_float(NAME, targets)?;
    if targets.dims() != logits.dims() {
        return Err(Error::shape(NAME, format!("logits {:?} and targets {:?} differ", logits.dims(), targets.dims()))
            .with_help("soft targets are one distribution for each row of logits"));
    }
    if on_device::is_other(logits.device()) {
        return on_device::soft_cross_entropy(logits, targets);
    }
    let (x, p) = (logits.value().clone(), targets.value().clone());
    by_real!(x.dtype(), T => {
        let (loss, lse) = soft_forward::<T>(&x, &p, rows)?;
        Ok(Tensor::from_op(NAME, loss, &[logits, targets], move |gradient, needs| soft_backward::<T>(&x, &p, &lse, gradient, needs)))
    })
}

pub(super) fn matrix_dims(name: &'static str, logits: &Tensor) -> Result<(usize, usize)> {
    crate::tape::require_float(name, logits)?;
    match *logits.dims() {
        [rows, classes] if classes > 0 => Ok((rows, classes)),
        _ => Err(Error::shape(name, format!("the input has shape {:?}", logits.dims())).with_help(
            "it is [rows, classes] with at least one class; flatten batch and time, or take the labelled rows",
        )),
    }
}

/// One target per row, `None` where ignored.
pub(super) fn checked_targets(
    name: &'static str,
    targets: &Tensor,
    rows: usize,
    classes: usize,
    ignore: i64,
    smoothing: f64,
) -> Result<Arc<Vec<Option<usize>>>> {
    if targets.dims() != [rows] {
        return Err(Error::shape(
            name,
            format!("the targets have shape {:?}, {rows} rows need [{rows}]", targets.dims()),
        )
        .with_help("one class id for each row; distributions go to soft_cross_entropy"));
    }
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::argument(name, format!("smoothing {smoothing} is outside 0 to 1")));
    }
    let one = |(row, id): (usize, i64)| match usize::try_from(id) {
        _ if id == ignore => Ok(None),
        Ok(class) if class < classes => Ok(Some(class)),
        _ => Err(Error::argument(
            name,
            format!("target {id} at row {row} is outside {classes} classes (and not {ignore}, the ignored one)"),
        )),
    };
    Ok(Arc::new(ids(name, targets)?.into_iter().enumerate().map(one).collect::<Result<_>>()?))
}

/// Loss and log-sum-exp of one row of logits.
pub(super) fn row_loss<T: Real>(row: &[T], target: usize, smoothing: f64) -> (T, T) {
    let shift = max(row);
    let lse = shift + sum_exp(row, shift).ln();
    let mut loss = T::of(1.0 - smoothing) * (lse - row[target]);
    if smoothing > 0.0 {
        loss += T::of(smoothing) * (lse - sum(row) / T::of(row.len() as f64));
    }
    (loss, lse)
}

/// Overwrites a row of logits with their gradient.
pub(super) fn row_gradient<T: Real>(row: &mut [T], target: usize, lse: T, smoothing: f64, gradient: T) {
    let level = T::of(smoothing / row.len() as f64);
    probabilities_less(row, lse, level, gradient);
    row[target] -= T::of(1.0 - smoothing) * gradient;
}

vectorised! {
    fn probabilities_less<T>(row: &mut [T], lse: T, level: T, factor: T) {
        for x in row.iter_mut() {
            *x = ((*x - lse).fast_exp() - level) * factor;
        }
    }
}

fn forward<T: Real>(logits: &Value, targets: &[Option<usize>], smoothing: f64) -> Result<(Value, Vec<T>)> {
    let (rows, classes) = logits.dims2()?;
    slice!(x: T = logits);
    let (mut loss, mut lse) = (vec![T::zero(); rows], vec![T::zero(); rows]);
    let group = crate::kernel::rows_per_task(classes);
    rows_in_groups(&mut loss, &mut lse, group, |row, loss, lse| {
        if let Some(target) = targets[row] {
            (*loss, *lse) = row_loss(&x[row * classes..(row + 1) * classes], target, smoothing);
        }
    });
    Ok((value_as(loss, &[rows], T::DTYPE)?, lse))
}

/// Runs `work(row, a, b)` in parallel over groups of rows.
pub(super) fn rows_in_groups<T: Real>(
    a: &mut [T],
    b: &mut [T],
    group: usize,
    work: impl Fn(usize, &mut T, &mut T) + Send + Sync,
) {
    use rayon::prelude::*;
    a.par_chunks_mut(group).zip(b.par_chunks_mut(group)).enumerate().for_each(|(chunk, (a, b))| {
        for (index, (a, b)) in a.iter_mut().zip(b).enumerate() {
            work(chunk * group + index, a, b);
        }
    });
}

fn backward<T: Real>(
    logits: &Value,
    targets: &[Option<usize>],
    lse: &[T],
    smoothing: f64,
    gradient: &Value,
) -> Result<Value> {
    let (_, classes) = logits.dims2()?;
    slice!(x: T = logits);
    slice!(g: T = gradient);
    let mut dx = unfilled(x.len());
    over_rows(&mut dx, classes, |first, dx| {
        for (index, dx) in dx.chunks_mut(classes).enumerate() {
            let row = first + index;
            match targets[row] {
                Some(target) => {
                    dx.copy_from_slice(&x[row * classes..(row + 1) * classes]);
                    row_gradient(dx, target, lse[row], smoothing, g[row]);
                }
                None => dx.fill(T::zero()),
            }
        }
    });
    value_as(dx, logits.dims(), logits.dtype())
}

fn soft_forward<T: Real>(logits: &Value, targets: &Value, rows: usize) -> Result<(Value, Vec<T>)> {
    let (_, classes) = logits.dims2()?;
    slice!(x: T = logits);
    slice!(p: T = targets);
    let (mut loss, mut lse) = (vec![T::zero(); rows], vec![T::zero(); rows]);
    rows_in_groups(&mut loss, &mut lse, crate::kernel::rows_per_task(classes), |row, loss, lse| {
        let (x, p) = (&x[row * classes..(row + 1) * classes], &p[row * classes..(row + 1) * classes]);
        let shift = max(x);
        *lse = shift + sum_exp(x, shift).ln();
        let level = *lse;
        *loss = lane_sum_2(p, x, |p, x| p * (level - x));
    });
    Ok((value_as(loss, &[rows], T::DTYPE)?, lse))
}

fn soft_backward<T: Real>(
    logits: &Value,
    targets: &Value,
    lse: &[T],
    gradient: &Value,
    needs: &[bool],
) -> Result<Vec<Option<Value>>> {
    let (_, classes) = logits.dims2()?;
    slice!(x: T = logits);
    slice!(p: T = targets);
    slice!(g: T = gradient);
    let (mut dx, mut dp) = (vec![T::zero(); x.len()], vec![T::zero(); if needs[1] { x.len() } else { 0 }]);
    let part = |row: usize| row * classes..(row + 1) * classes;
    let dx_row = |row: usize, dx: &mut [T]| {
        let (x, p) = (&x[part(row)], &p[part(row)]);
        let total = dot(p, &vec![T::one(); classes]);
        for ((dx, x), p) in dx.iter_mut().zip(x).zip(p) {
            *dx = g[row] * ((*x - lse[row]).fast_exp() * total - *p);
        }
    };
    if needs[1] {
        over_rows_2(&mut dx, classes, &mut dp, classes, |first, dx, dp| {
            for (index, (dx, dp)) in dx.chunks_mut(classes).zip(dp.chunks_mut(classes)).enumerate() {
                let row = first + index;
                dx_row(row, dx);
                dp.iter_mut().zip(&x[part(row)]).for_each(|(dp, x)| *dp = g[row] * (lse[row] - *x));
            }
        });
    } else {
        over_rows(&mut dx, classes, |first, dx| {
            dx.chunks_mut(classes).enumerate().for_each(|(index, dx)| dx_row(first + index, dx));
        });
    }
    let dp = if needs[1] { Some(value_as(dp, targets.dims(), targets.dtype())?) } else { None };
    Ok(vec![Some(value_as(dx, logits.dims(), logits.dtype())?), dp])
}
