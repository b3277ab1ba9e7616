//! Operations whose backward pass is written by the caller, out of tensor operations.

use crate::{Error, Result, Tensor, Value, mode};

/// Outputs with a gradient of the caller's own making.
///
/// `outputs` are taken as they are, whatever made them. The backward pass calls `backward(saved, gradients)`, with
/// nothing recorded: `saved` are the tensors given here, as constants, and `gradients` one gradient or `None` for each
/// output. It returns one gradient (of the input's shape and dtype) or `None` for each input.
///
/// # Errors
/// Here: never; the result says so for the sake of its callers. In the backward pass: when `backward` fails, or returns
/// another number of gradients or another shape than the inputs have.
pub fn custom(
    name: &'static str,
    inputs: &[&Tensor],
    outputs: Vec<Tensor>,
    saved: Vec<Tensor>,
    backward: impl Fn(&[Tensor], &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> + Send + Sync + 'static,
) -> Result<Vec<Tensor>> {
    let saved: Vec<Tensor> = saved.iter().map(Tensor::stop_gradient).collect();
    let wanted: Vec<(Vec<usize>, candle_core::DType)> =
        inputs.iter().map(|input| (input.dims().to_vec(), input.value().dtype())).collect();
    let values: Vec<Value> = outputs.iter().map(|output| output.value().clone()).collect();
    let made = Tensor::from_op_many(name, values, inputs, move |gradients, needs| {
        let gradients: Vec<Option<Tensor>> =
            gradients.iter().map(|gradient| gradient.clone().map(Tensor::constant)).collect();
        let found = mode::with_gradients(false, || backward(&saved, &gradients))?;
        if found.len() != wanted.len() {
            let fact = format!("its backward returned {} gradients for {} inputs", found.len(), wanted.len());
            return Err(Error::gradient(name, fact));
        }
        let check = |(index, gradient): (usize, Option<Tensor>)| -> Result<Option<Value>> {
            let Some(gradient) = gradient.filter(|_| needs[index]) else { return Ok(None) };
            let (shape, dtype) = &wanted[index];
            if gradient.dims() != shape.as_slice() {
                let fact = format!("its backward gave {:?} for input {index} of shape {shape:?}", gradient.dims());
                return Err(Error::shape(name, fact)
                    .with_help("a gradient has the shape of its input; `sum` undoes a broadcast"));
            }
            Ok(Some(gradient.value().to_dtype(*dtype)?))
        };
        found.into_iter().enumerate().map(check).collect()
    });
    // Integers and truth values stay what they were.
    Ok(made
        .into_iter()
        .zip(outputs)
        .map(|(made, output)| if output.dtype().is_float() { made } else { output })
        .collect())
}
