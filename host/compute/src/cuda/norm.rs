//! Layer norm and RMS norm, alone and with the residual sum before them.

use super::calls::{NormBackward, NormForward, NormWeights};
use super::launch::{Launch, Output};
use super::modules::Module;
use super::sums::{chunks, totals};
use super::{real, rows_width, takes};
use crate::{Error, Result, Tensor, Value};

/// What the backward pass needs.
struct Saved {
    /// What was normalised.
    total: Value,
    /// In the computing type.
    weight: Option<Value>,
    /// `[rows, 2]`: mean and reciprocal deviation.
    statistics: Value,
    centered: bool,
}

/// The norm and the residual sum (`x` itself without a residual), or `None` for values the kernels don't take.
pub(crate) fn normalise(
    name: &'static str,
    x: &Tensor,
    residual: Option<&Tensor>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
    centered: bool,
) -> Result<Option<(Tensor, Tensor)>> {
    if !takes(x.value()) {
        return Ok(None);
    }
    let (elements, (rows, width)) = (x.value().dtype(), rows_width(x.value()));
    let wide = |tensor: Option<&Tensor>| tensor.map(|tensor| tensor.value().to_dtype(real(elements))).transpose();
    let (weight_value, bias_value) = (wide(weight)?, wide(bias)?);
    let [y, total, statistics] = Launch::by_warps(Module::Norm, "norm_forward", elements, rows).run(
        [Some(x.value()), residual.map(Tensor::value), weight_value.as_ref(), bias_value.as_ref()],
        [
            Some(Output::like(x.value())),
            residual.map(|_| Output::like(x.value())),
            Some(Output::new(real(elements), &[rows, 2])),
        ],
        |[x, residual, weight, bias], [y, total, statistics]| NormForward {
            x,
            residual,
            weight,
            bias,
            y,
            total,
            statistics,
            rows: rows as i64,
            width: width as i64,
            centered: i64::from(centered),
            eps,
        },
    )?;
    let lost = || Error::argument(name, "lost an output");
    let (y, statistics) = (y.ok_or_else(lost)?, statistics.ok_or_else(lost)?);
    let total = total.unwrap_or_else(|| x.value().clone());
    let saved = Saved { total: total.clone(), weight: weight_value, statistics, centered };
    let inputs: Vec<&Tensor> = [Some(x), residual, weight, bias].into_iter().flatten().collect();
    let residual_slots = 1 + usize::from(residual.is_some());
    let dtypes: Vec<_> = [weight, bias].into_iter().flatten().map(|tensor| tensor.value().dtype()).collect();
    // Where the sums of weight and of bias go among the gradients.
    let places: Vec<usize> =
        [weight, bias].iter().enumerate().filter(|(_, given)| given.is_some()).map(|(i, _)| i).collect();
    let backward = move |normed: Option<&Value>, sum: Option<&Value>, needs: &[bool]| -> Result<Vec<Option<Value>>> {
        let mut gradients = vec![None; needs.len()];
        let dx = match normed {
            Some(normed) => Some(saved.dx(normed, sum)?),
            None => sum.cloned(),
        };
        if let Some(normed) = normed
            && needs[residual_slots..].iter().any(|needed| *needed)
        {
            let sums = saved.weight_and_bias(normed)?;
            for ((gradient, place), dtype) in gradients[residual_slots..].iter_mut().zip(&places).zip(&dtypes) {
                *gradient = Some(sums.narrow(0, place * width, width)?.to_dtype(*dtype)?);
            }
        }
        for slot in &mut gradients[..residual_slots] {
            slot.clone_from(&dx);
        }
        Ok(gradients)
    };
    if residual.is_none() {
        let y = Tensor::from_op(name, y, &inputs, move |gradient, needs| backward(Some(gradient), None, needs));
        return Ok(Some((y, x.clone())));
    }
    let mut outputs = Tensor::from_op_many(name, vec![y, total], &inputs, move |gradients, needs| {
        backward(gradients[0].as_ref(), gradients[1].as_ref(), needs)
    });
    let (sum, normed) = (outputs.pop().ok_or_else(lost)?, outputs.pop().ok_or_else(lost)?);
    Ok(Some((normed, sum)))
}

impl Saved {
    /// The gradient of what was normalised; `sum` is one more that it gets directly.
    fn dx(&self, gradient: &Value, sum: Option<&Value>) -> Result<Value> {
        let (elements, (rows, width)) = (self.total.dtype(), rows_width(&self.total));
        Launch::by_warps(Module::Norm, "norm_backward", elements, rows).run_one(
            [Some(&self.total), Some(gradient), sum, self.weight.as_ref(), Some(&self.statistics)],
            Output::like(&self.total),
            |[x, gradient, sum_gradient, weight, statistics], dx| NormBackward {
                x,
                gradient,
                sum_gradient,
                weight,
                statistics,
                dx,
                rows: rows as i64,
                width: width as i64,
                centered: i64::from(self.centered),
            },
        )
    }

    /// The gradient of the weight, then that of the bias: `[2 · width]` in the computing type.
    fn weight_and_bias(&self, gradient: &Value) -> Result<Value> {
        let (elements, (rows, width)) = (self.total.dtype(), rows_width(&self.total));
        let (chunk, count) = chunks(rows);
        let launch = Launch {
            module: Module::Norm,
            name: "norm_weights",
            elements,
            grid: [width.div_ceil(32), count],
            block: [32, 8],
            shared: 2 * 8 * 32,
        };
        let parts = launch.run_one(
            [Some(&self.total), Some(gradient), Some(&self.statistics)],
            Output::new(real(elements), &[count, 2 * width]),
            |[x, gradient, statistics], parts| NormWeights {
                x,
                gradient,
                statistics,
                parts,
                rows: rows as i64,
                width: width as i64,
                chunk: chunk as i64,
            },
        )?;
        totals(&parts, elements)
    }
}
