//! Views and rearrangements: what changes the shape, not the numbers.

use crate::kernel::{axis_of, same_dtype};
use crate::tape::unbroadcast;
use crate::{DType, Error, Result, Tensor, Value};

/// Reshapes to known lengths, under the name of the operation that asks for it.
pub(crate) fn reshape_to(name: &'static str, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.dims() == shape {
        return Ok(x.clone());
    }
    let (value, from) = (x.value().reshape(shape)?, x.dims().to_vec());
    Ok(Tensor::from_op(name, value, &[x], move |gradient, _| Ok(vec![Some(gradient.reshape(from.as_slice())?)])))
}

/// The same elements in another shape; one length may be -1 and is worked out.
///
/// # Errors
/// When the number of elements does not fit, or more than one length is negative.
pub fn reshape(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let fault = |why: &str| {
        Error::shape("reshape", format!("{:?} ({} elements) to {shape:?}: {why}", x.dims(), x.elements()))
            .with_help("the product of the lengths must be the number of elements; one of them may be -1")
    };
    if shape.iter().any(|length| *length < -1) || shape.iter().filter(|length| **length == -1).count() > 1 {
        return Err(fault("one length may be -1, none below"));
    }
    let known = shape
        .iter()
        .filter(|length| **length != -1)
        .try_fold(1usize, |product, length| product.checked_mul(*length as usize));
    let known = known.ok_or_else(|| fault("too large"))?;
    let rest = x.elements().checked_div(known).unwrap_or(0);
    let lengths: Vec<usize> = shape.iter().map(|length| if *length == -1 { rest } else { *length as usize }).collect();
    if lengths.iter().product::<usize>() != x.elements() || (known == 0 && shape.contains(&-1)) {
        return Err(fault("the numbers of elements differ"));
    }
    reshape_to("reshape", x, &lengths)
}

/// Axes `start..=end` made one.
///
/// # Errors
/// When an axis is not there or `start` is behind `end`.
pub fn flatten(x: &Tensor, start: i64, end: i64) -> Result<Tensor> {
    if x.rank() == 0 {
        return reshape_to("flatten", x, &[1]);
    }
    let (start, end) = (axis_of("flatten", start, x.rank())?, axis_of("flatten", end, x.rank())?);
    if start > end {
        return Err(Error::shape("flatten", format!("axis {start} is behind axis {end}")));
    }
    let mut shape = x.dims()[..start].to_vec();
    shape.push(x.dims()[start..=end].iter().product());
    shape.extend(&x.dims()[end + 1..]);
    reshape_to("flatten", x, &shape)
}

/// Axes `a` and `b` exchanged: a view.
///
/// # Errors
/// When an axis is not there.
pub fn transpose(x: &Tensor, a: i64, b: i64) -> Result<Tensor> {
    let (a, b) = (axis_of("transpose", a, x.rank())?, axis_of("transpose", b, x.rank())?);
    let value = x.value().transpose(a, b)?;
    Ok(Tensor::from_op("transpose", value, &[x], move |gradient, _| Ok(vec![Some(gradient.transpose(a, b)?)])))
}

/// Axes in another order: axis i of the result is axis `order[i]` of `x`. A view.
///
/// # Errors
/// When `order` does not name each axis once.
pub fn permute(x: &Tensor, order: &[i64]) -> Result<Tensor> {
    let axes = order.iter().map(|axis| axis_of("permute", *axis, x.rank())).collect::<Result<Vec<usize>>>()?;
    let mut inverse = vec![usize::MAX; x.rank()];
    axes.iter().enumerate().for_each(|(to, from)| inverse[*from] = to);
    if axes.len() != x.rank() || inverse.contains(&usize::MAX) {
        let fact = format!("{order:?} is no order of the {} axes of {:?}", x.rank(), x.dims());
        return Err(Error::shape("permute", fact).with_help("name each axis once"));
    }
    let value = x.value().permute(axes)?;
    Ok(Tensor::from_op("permute", value, &[x], move |gradient, _| Ok(vec![Some(gradient.permute(inverse.clone())?)])))
}

/// A new axis of length 1 before axis `axis`; -1 puts it last.
///
/// # Errors
/// When `axis` is out of range.
pub fn unsqueeze(x: &Tensor, axis: i64) -> Result<Tensor> {
    let axis = axis_of("unsqueeze", axis, x.rank() + 1)?;
    let mut shape = x.dims().to_vec();
    shape.insert(axis, 1);
    let value = x.value().unsqueeze(axis)?;
    Ok(Tensor::from_op("unsqueeze", value, &[x], move |gradient, _| Ok(vec![Some(gradient.squeeze(axis)?)])))
}

/// Axis `axis`, of length 1, taken away.
///
/// # Errors
/// When the axis is not there or is longer than 1.
pub fn squeeze(x: &Tensor, axis: i64) -> Result<Tensor> {
    let axis = axis_of("squeeze", axis, x.rank())?;
    if x.dims()[axis] != 1 {
        let fact = format!("axis {axis} of {:?} has length {}, not 1", x.dims(), x.dims()[axis]);
        return Err(Error::shape("squeeze", fact).with_help("`narrow` picks a part, `sum` or `mean` reduce"));
    }
    let value = x.value().squeeze(axis)?;
    Ok(Tensor::from_op("squeeze", value, &[x], move |gradient, _| Ok(vec![Some(gradient.unsqueeze(axis)?)])))
}

/// Axes of length 1 (and new ones in front) repeated to `shape` without a copy; -1 keeps a length.
///
/// # Errors
/// When a length other than 1 would change.
pub fn expand(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let fault = |why: String| {
        Error::shape("expand", format!("{:?} to {shape:?}: {why}", x.dims()))
            .with_help("only axes of length 1 are repeated; `repeat` copies others")
    };
    let extra = shape.len().checked_sub(x.rank()).ok_or_else(|| fault("fewer axes than before".into()))?;
    let mut lengths = Vec::with_capacity(shape.len());
    for (axis, length) in shape.iter().enumerate() {
        let own = axis.checked_sub(extra).map(|axis| x.dims()[axis]);
        lengths.push(match (*length, own) {
            (-1, Some(own)) => own,
            (length, own) if length >= 0 && own.is_none_or(|own| own == 1 || own == length as usize) => length as usize,
            (length, _) => return Err(fault(format!("length {length} at axis {axis}"))),
        });
    }
    let (value, from) = (x.value().broadcast_as(lengths.as_slice())?, x.dims().to_vec());
    Ok(Tensor::from_op("expand", value, &[x], move |gradient, _| Ok(vec![Some(unbroadcast(gradient, &from)?)])))
}

/// Zeros of `shape` with `part` at `start` of `axis`.
fn placed(part: &Value, shape: &[usize], axis: usize, start: usize) -> Result<Value> {
    let whole = Value::zeros(shape, part.dtype(), part.device())?;
    if part.elem_count() > 0 {
        whole.slice_set(&part.contiguous()?, axis, start)?;
    }
    Ok(whole)
}

/// `length` rows of `axis` from `start`: a view.
///
/// # Errors
/// When the axis is not there or shorter than `start + length`.
pub fn narrow(x: &Tensor, axis: i64, start: usize, length: usize) -> Result<Tensor> {
    let axis = axis_of("narrow", axis, x.rank())?;
    if start.checked_add(length).is_none_or(|end| end > x.dims()[axis]) {
        let fact = format!("{length} rows from {start} of axis {axis}, which has {} in {:?}", x.dims()[axis], x.dims());
        return Err(Error::shape("narrow", fact));
    }
    let (value, shape) = (x.value().narrow(axis, start, length)?, x.dims().to_vec());
    Ok(Tensor::from_op("narrow", value, &[x], move |gradient, _| {
        Ok(vec![Some(placed(gradient, &shape, axis, start)?)])
    }))
}

/// Parts of `axis`, of these lengths, in order: views.
///
/// # Errors
/// When the axis is not there or the lengths do not add up to its own.
pub fn split(x: &Tensor, axis: i64, lengths: &[usize]) -> Result<Vec<Tensor>> {
    let axis = axis_of("split", axis, x.rank())?;
    if lengths.iter().sum::<usize>() != x.dims()[axis] {
        let fact = format!("lengths {lengths:?} do not add up to {} of axis {axis} of {:?}", x.dims()[axis], x.dims());
        return Err(Error::shape("split", fact));
    }
    let mut start = 0;
    let mut values = Vec::with_capacity(lengths.len());
    for length in lengths {
        values.push(x.value().narrow(axis, start, *length)?);
        start += length;
    }
    let (shape, lengths) = (x.dims().to_vec(), lengths.to_vec());
    Ok(Tensor::from_op_many("split", values, &[x], move |gradients, _| {
        let Some(first) = gradients.iter().flatten().next() else { return Ok(vec![None]) };
        let whole = Value::zeros(shape.as_slice(), first.dtype(), first.device())?;
        let mut start = 0;
        for (gradient, length) in gradients.iter().zip(&lengths) {
            if let Some(gradient) = gradient.as_ref().filter(|gradient| gradient.elem_count() > 0) {
                whole.slice_set(&gradient.contiguous()?, axis, start)?;
            }
            start += length;
        }
        Ok(vec![Some(whole)])
    }))
}

/// `count` parts of `axis`, equal up to one row (the longer ones first).
///
/// # Errors
/// When the axis is not there or `count` is 0.
pub fn chunk(x: &Tensor, axis: i64, count: usize) -> Result<Vec<Tensor>> {
    let length = x.dims()[axis_of("chunk", axis, x.rank())?];
    if count == 0 {
        return Err(Error::argument("chunk", "0 chunks"));
    }
    let lengths: Vec<usize> = (0..count).map(|part| length / count + usize::from(part < length % count)).collect();
    split(x, axis, &lengths)
}

/// Tensors joined along an existing axis.
///
/// # Errors
/// When there is none, dtypes differ, or another axis differs in length.
pub fn cat(tensors: &[&Tensor], axis: i64) -> Result<Tensor> {
    let first = *tensors.first().ok_or_else(|| Error::argument("cat", "no tensors"))?;
    let axis = axis_of("cat", axis, first.rank())?;
    for other in &tensors[1..] {
        same_dtype("cat", first, other)?;
        let alike = other.rank() == first.rank()
            && (0..first.rank()).all(|at| at == axis || other.dims()[at] == first.dims()[at]);
        if !alike {
            let fact = format!("{:?} and {:?} differ beside axis {axis}", first.dims(), other.dims());
            return Err(Error::shape("cat", fact).with_help("all axes but the joined one must have equal lengths"));
        }
    }
    let values: Vec<&Value> = tensors.iter().map(|tensor| tensor.value()).collect();
    let value = Value::cat(&values, axis)?;
    let lengths: Vec<usize> = tensors.iter().map(|tensor| tensor.dims()[axis]).collect();
    Ok(Tensor::from_op("cat", value, tensors, move |gradient, needs| {
        let mut start = 0;
        let mut parts = Vec::with_capacity(lengths.len());
        for (length, needed) in lengths.iter().zip(needs) {
            parts.push(if *needed { Some(gradient.narrow(axis, start, *length)?) } else { None });
            start += length;
        }
        Ok(parts)
    }))
}

/// Tensors of one shape joined along a new axis.
///
/// # Errors
/// When there is none, or dtypes or shapes differ.
pub fn stack(tensors: &[&Tensor], axis: i64) -> Result<Tensor> {
    let first = *tensors.first().ok_or_else(|| Error::argument("stack", "no tensors"))?;
    if let Some(other) = tensors.iter().find(|other| other.dims() != first.dims()) {
        let fact = format!("{:?} and {:?} differ", first.dims(), other.dims());
        return Err(Error::shape("stack", fact)
            .with_help("`stack` wants equal shapes; `cat` joins along an axis that is there"));
    }
    let raised = tensors.iter().map(|tensor| unsqueeze(tensor, axis)).collect::<Result<Vec<Tensor>>>()?;
    cat(&raised.iter().collect::<Vec<_>>(), axis_of("stack", axis, first.rank() + 1)? as i64)
}

/// The elements on and below diagonal `diagonal` of the last two axes (0 the main one, positive above it), 0 elsewhere.
///
/// # Errors
/// When `x` has fewer than two axes.
pub fn tril(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    triangle("tril", x, move |row, column| column <= row + diagonal)
}

/// The elements on and above diagonal `diagonal` of the last two axes, 0 elsewhere.
///
/// # Errors
/// When `x` has fewer than two axes.
pub fn triu(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    triangle("triu", x, move |row, column| column >= row + diagonal)
}

fn triangle(name: &'static str, x: &Tensor, keep: impl Fn(i64, i64) -> bool) -> Result<Tensor> {
    let (rows, columns) = last_two(name, x)?;
    let kept: Vec<u8> =
        (0..rows * columns).map(|at| u8::from(keep((at / columns) as i64, (at % columns) as i64))).collect();
    let kept = Value::from_vec(kept, (rows, columns), x.device())?;
    let masked = move |value: &Value| -> Result<Value> {
        Ok(kept.broadcast_as(value.shape())?.where_cond(value, &value.zeros_like()?)?)
    };
    Ok(Tensor::from_op(name, masked(x.value())?, &[x], move |gradient, _| Ok(vec![Some(masked(gradient)?)])))
}

fn last_two(name: &'static str, x: &Tensor) -> Result<(usize, usize)> {
    match x.dims() {
        [.., rows, columns] => Ok((*rows, *columns)),
        other => Err(Error::shape(name, format!("{other:?} has no two last axes"))),
    }
}

/// Diagonal `offset` of the last two axes (positive above the main one), as a last axis.
///
/// # Errors
/// When `x` has fewer than two axes.
pub fn diagonal(x: &Tensor, offset: i64) -> Result<Tensor> {
    let (rows, columns) = last_two("diagonal", x)?;
    let places: Vec<u32> = (0..rows as i64)
        .map(|row| (row, row + offset))
        .filter(|(_, column)| (0..columns as i64).contains(column))
        .map(|(row, column)| (row * columns as i64 + column) as u32)
        .collect();
    let flat = flatten(x, -2, -1)?;
    super::axis::take("diagonal", &flat, flat.rank() - 1, places)
}

/// The same tensor with its elements in order; a copy only where they are not.
///
/// # Errors
/// When the device fails.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.value().is_contiguous() {
        return Ok(x.clone());
    }
    debug_assert!(x.dtype() != DType::Bool || !x.needs_gradient(), "truth values carry no gradient");
    Ok(Tensor::from_op("contiguous", x.value().contiguous()?, &[x], |gradient, _| Ok(vec![Some(gradient.clone())])))
}
