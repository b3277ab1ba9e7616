//! A linear layer with its bias and activation as epilogue of the product.

use super::activation::{Activation, activate, activate_backward};
use super::on_device;
use crate::kernel::{
    FewRows, Matrix, Real, add_into, by_real, matrices, new_product, new_product_and, new_product_then, optional_slice,
    over_rows_and_sum, require_width, rows_width, slice, sum_over_rows, unfilled, value_as,
};
use crate::{Error, Result, Tensor, Value};

/// `f(x weightᵀ + bias)`: `x [.., i]`, `weight [o, i]`, `bias [o]`, result `[.., o]` in the dtype of `x`.
///
/// `weight` and `bias` may have another floating dtype than `x` (f32 beside bf16): their gradients then keep it. A
/// transposed weight costs no copy.
///
/// # Errors
/// When shapes do not fit or a dtype is not floating.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
    let (rows, inner) = rows_width("linear", x)?;
    crate::tape::require_float("linear", weight)?;
    let [outer, weight_inner] = *weight.dims() else {
        return Err(Error::shape("linear", format!("the weight has shape {:?}", weight.dims()))
            .with_help("it is [outputs, inputs]"));
    };
    if weight_inner != inner {
        let fact = format!(
            "the input {:?} has {inner} features, the weight {:?} takes {weight_inner}",
            x.dims(),
            weight.dims()
        );
        return Err(
            Error::shape("linear", fact).with_help("the last axes of input and weight [outputs, inputs] are the same")
        );
    }
    require_width("linear", "the bias", bias, outer, x)?;
    if on_device::is_other(x.device()) {
        return on_device::linear(x, weight, bias, activation);
    }
    let shape = Shape { rows, inner, outer, activation };
    let bias_value = bias.map(|bias| bias.value().clone());
    let inputs: Vec<&Tensor> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    let keeps = crate::mode::gradients_on() && inputs.iter().any(|input| input.needs_gradient());
    let (y, before) =
        by_real!(x.value().dtype(), T => forward::<T>(x.value(), weight.value(), bias_value.as_ref(), shape, keeps)?);
    let (x_value, weight_value) = (x.value().clone(), weight.value().clone());
    Ok(Tensor::from_op("linear", y, &inputs, move |gradient, needs| {
        let saved = Saved { x: &x_value, weight: &weight_value, bias: bias_value.as_ref(), before: before.as_ref() };
        by_real!(x_value.dtype(), T => backward::<T>(&saved, gradient, shape, needs))
    }))
}

#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    inner: usize,
    outer: usize,
    activation: Activation,
}

struct Saved<'a> {
    x: &'a Value,
    weight: &'a Value,
    bias: Option<&'a Value>,
    /// What the activation saw, in the computing type.
    before: Option<&'a Value>,
}

fn forward<T: FewRows>(
    x: &Value,
    weight: &Value,
    bias: Option<&Value>,
    shape: Shape,
    keeps: bool,
) -> Result<(Value, Option<Value>)> {
    let Shape { rows, inner, outer, activation } = shape;
    slice!(elements: T = x);
    optional_slice!(bias: T = bias);
    let mut dims = x.dims().to_vec();
    if let Some(last) = dims.last_mut() {
        *last = outer;
    }
    let add_bias = |rows: &mut [T]| {
        if let Some(bias) = bias {
            rows.chunks_mut(outer).for_each(|row| add_into(row, bias));
        }
    };
    let finish = |before: &mut [T], y: &mut [T]| {
        add_bias(before);
        activate(activation, before, y);
    };
    let plain = activation == Activation::None;
    let (before, y) = if let Some(mut before) = T::few_rows(elements, inner, weight)? {
        if plain {
            add_bias(&mut before);
            (Vec::new(), before)
        } else {
            let mut y = unfilled(before.len());
            finish(&mut before, &mut y);
            (before, y)
        }
    } else {
        matrices!(weight: T = weight);
        let (x, weight) = (Matrix::new(elements, rows, inner, inner), weight.matrix(0).transposed());
        if plain {
            (Vec::new(), new_product_then(x, weight, |_, rows| add_bias(rows)))
        } else {
            new_product_and(x, weight, |_, before, y| finish(before, y))
        }
    };
    let before = if keeps && !plain { Some(value_as(before, &dims, T::DTYPE)?) } else { None };
    Ok((value_as(y, &dims, x.dtype())?, before))
}

fn backward<T: Real>(saved: &Saved, gradient: &Value, shape: Shape, needs: &[bool]) -> Result<Vec<Option<Value>>> {
    let Shape { rows, inner, outer, activation } = shape;
    slice!(g: T = gradient);
    let wants_bias = saved.bias.is_some() && needs[2];
    let (scaled, sums) = match saved.before {
        Some(before) => {
            slice!(before: T = before);
            let (scaled, sums) = before_activation(activation, before, g, outer, wants_bias);
            (Some(scaled), sums)
        }
        None => (None, wants_bias.then(|| column_sums(g, rows, outer))),
    };
    let g = scaled.as_deref().unwrap_or(g);
    let mut gradients = vec![None; needs.len()];
    let dz = Matrix::new(g, rows, outer, outer);
    if needs[0] {
        matrices!(weight: T = saved.weight);
        gradients[0] = Some(value_as(new_product(dz, weight.matrix(0)), saved.x.dims(), saved.x.dtype())?);
    }
    if needs[1] {
        slice!(x: T = saved.x);
        let dw = new_product(dz.transposed(), Matrix::new(x, rows, inner, inner));
        gradients[1] = Some(value_as(dw, &[outer, inner], saved.weight.dtype())?);
    }
    if let (Some(bias), Some(sums)) = (saved.bias, sums) {
        gradients[2] = Some(value_as(sums, &[outer], bias.dtype())?);
    }
    Ok(gradients)
}

/// The gradient of what the activation saw, and its sum over the rows where that is wanted: one pass for both.
fn before_activation<T: Real>(
    activation: Activation,
    before: &[T],
    g: &[T],
    width: usize,
    wants_sums: bool,
) -> (Vec<T>, Option<Vec<T>>) {
    let mut dz = unfilled(g.len());
    let sums = over_rows_and_sum(&mut dz, width, if wants_sums { width } else { 0 }, |first, dz, sums| {
        let range = first * width..first * width + dz.len();
        activate_backward(activation, &before[range.clone()], &g[range], dz);
        if wants_sums {
            dz.chunks(width).for_each(|row| add_into(sums, row));
        }
    });
    (dz, wants_sums.then_some(sums))
}

/// The sum of all rows.
pub(super) fn column_sums<T: Real>(g: &[T], rows: usize, width: usize) -> Vec<T> {
    sum_over_rows(rows, width, 1, |rows, sums| {
        for row in rows {
            add_into(sums, &g[row * width..(row + 1) * width]);
        }
    })
}
