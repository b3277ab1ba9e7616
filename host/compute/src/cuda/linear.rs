//! Linear layers: the device's matrix product, then bias and activation in one pass; and gated linear units.

use super::calls::{Epilogue, Gate};
use super::launch::{Launch, Output};
use super::modules::Module;
use super::sums::column_sums;
use super::{real, rows_width, takes};
use crate::nn_ops::Activation;
use crate::ops::product;
use crate::{Result, Tensor, Value};

/// As in `activation.cu`.
fn code(activation: Activation) -> i64 {
    match activation {
        Activation::None => 0,
        Activation::Relu => 1,
        Activation::Gelu => 2,
        Activation::GeluTanh => 3,
        Activation::Silu => 4,
        Activation::Sigmoid => 5,
    }
}

/// `f(x weightᵀ + bias)`, or `None` for values the kernels don't take.
///
/// The product before bias and activation is kept for the backward pass; with no activation nothing beside the inputs.
pub(crate) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Option<Tensor>> {
    if !takes(x.value()) || !takes(weight.value()) {
        return Ok(None);
    }
    let elements = x.value().dtype();
    let (rows, inner) = rows_width(x.value());
    let outer = weight.dims()[0];
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = outer;
    }
    let flat = x.value().reshape((rows, inner))?;
    let plain = product(&flat, &weight.value().to_dtype(elements)?.t()?)?;
    let wide_bias = bias.map(|bias| bias.value().to_dtype(real(elements))).transpose()?;
    let has_epilogue = bias.is_some() || activation != Activation::None;
    let y = if has_epilogue { epilogue(&plain, wide_bias.as_ref(), None, activation)? } else { plain.clone() };
    let inputs: Vec<&Tensor> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    let before = (activation != Activation::None).then_some(plain);
    let (weight, bias_dtype) = (weight.value().clone(), bias.map(|bias| bias.value().dtype()));
    let x_shape = x.dims().to_vec();
    Ok(Some(Tensor::from_op("linear", y.reshape(shape)?, &inputs, move |gradient, needs| {
        let gradient = gradient.reshape((rows, outer))?;
        let dz = match &before {
            Some(before) => epilogue(before, wide_bias.as_ref(), Some(&gradient), activation)?,
            None => gradient,
        };
        let mut gradients = vec![None; needs.len()];
        if needs[0] {
            gradients[0] = Some(product(&dz, &weight.to_dtype(elements)?)?.reshape(&x_shape[..])?);
        }
        if needs[1] {
            gradients[1] = Some(product(&dz.t()?, &flat)?.to_dtype(weight.dtype())?);
        }
        if let Some(dtype) = bias_dtype
            && needs[2]
        {
            gradients[2] = Some(column_sums(&dz)?.to_dtype(dtype)?);
        }
        Ok(gradients)
    })))
}

/// Bias and activation of a product; with the gradient of the result, the gradient of the product.
fn epilogue(product: &Value, bias: Option<&Value>, gradient: Option<&Value>, activation: Activation) -> Result<Value> {
    let (rows, width) = rows_width(product);
    let name = if gradient.is_some() { "epilogue_backward" } else { "epilogue_forward" };
    Launch::by_columns(Module::Activation, name, product.dtype(), rows, width).run_one(
        [Some(product), bias, gradient],
        Output::like(product),
        |[product, bias, gradient], out| Epilogue {
            product,
            bias,
            gradient,
            out,
            rows: rows as i64,
            width: width as i64,
            activation: code(activation),
        },
    )
}

/// `f(a) * b` for `x = [a, b]` side by side on the last axis, or `None` for values the kernels don't take.
pub(crate) fn glu(x: &Tensor, activation: Activation) -> Result<Option<Tensor>> {
    if !takes(x.value()) {
        return Ok(None);
    }
    let y = gated(x.value(), None, activation)?;
    let saved = x.value().clone();
    Ok(Some(Tensor::from_op("glu", y, &[x], move |gradient, _| {
        Ok(vec![Some(gated(&saved, Some(gradient), activation)?)])
    })))
}

fn gated(x: &Value, gradient: Option<&Value>, activation: Activation) -> Result<Value> {
    let (rows, double) = rows_width(x);
    let mut output = Output::like(x);
    if let (None, Some(last)) = (gradient, output.shape.last_mut()) {
        *last /= 2;
    }
    let name = if gradient.is_some() { "glu_backward" } else { "glu_forward" };
    Launch::by_columns(Module::Activation, name, x.dtype(), rows, double / 2).run_one(
        [Some(x), gradient],
        output,
        |[x, gradient], out| Gate {
            x,
            gradient,
            out,
            rows: rows as i64,
            width: (double / 2) as i64,
            activation: code(activation),
        },
    )
}
