//! Dropout drawn on the device, the same draws as on the CPU.

use philox::{Key, rate_limit};

use super::calls::Dropout;
use super::launch::{Launch, Output};
use super::modules::Module;
use super::takes;
use crate::layout::Layout;
use crate::random::row_keys;
use crate::{Result, Tensor, Value};

/// `x` with dropout at a rate above 0 and below 1, or `None` for values the kernels don't take. The layout's rows fit.
pub(crate) fn dropout(x: &Tensor, rate: f64, key: Key, layout: Option<&Layout>) -> Result<Option<Tensor>> {
    if !takes(x.value()) {
        return Ok(None);
    }
    let keys: Vec<i64> = match layout {
        Some(layout) => row_keys(key, layout).into_iter().map(|key| key.bits() as i64).collect(),
        None => vec![key.bits() as i64],
    };
    let (rows, width) = (keys.len(), x.elements() / keys.len());
    let keys = Value::from_vec(keys, rows, x.device())?;
    let apply = move |x: &Value| -> Result<Value> {
        Launch::by_columns(Module::Dropout, "dropout_apply", x.dtype(), rows, width.div_ceil(4)).run_one(
            [Some(x), Some(&keys)],
            Output::like(x),
            |[x, keys], y| Dropout {
                x,
                keys,
                y,
                rows: rows as i64,
                width: width as i64,
                limit: i64::from(rate_limit(1.0 - rate)),
                factor: 1.0 / (1.0 - rate),
            },
        )
    };
    Ok(Some(Tensor::from_op("dropout", apply(x.value())?, &[x], move |gradient, _| Ok(vec![Some(apply(gradient)?)]))))
}
