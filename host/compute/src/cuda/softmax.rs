//! Softmax and log-softmax over the last axis.

use super::calls::Softmax;
use super::launch::{Launch, Output};
use super::modules::Module;
use super::{rows_width, takes};
use crate::{Result, Tensor, Value};

/// Softmax, or its logarithm, or `None` for values the kernels don't take.
pub(crate) fn softmax(x: &Tensor, logarithm: bool) -> Result<Option<Tensor>> {
    if !takes(x.value()) {
        return Ok(None);
    }
    let y = run("softmax_forward", x.value(), None, logarithm)?;
    let (saved, name) = (y.clone(), if logarithm { "log_softmax" } else { "softmax" });
    Ok(Some(Tensor::from_op(name, y, &[x], move |gradient, _| {
        Ok(vec![Some(run("softmax_backward", &saved, Some(gradient), logarithm)?)])
    })))
}

fn run(name: &str, x: &Value, gradient: Option<&Value>, logarithm: bool) -> Result<Value> {
    let (rows, width) = rows_width(x);
    Launch::by_warps(Module::Softmax, name, x.dtype(), rows).run_one(
        [Some(x), gradient],
        Output::like(x),
        |[x, gradient], out| Softmax {
            x,
            gradient,
            out,
            rows: rows as i64,
            width: width as i64,
            logarithm: i64::from(logarithm),
        },
    )
}
