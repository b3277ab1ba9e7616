//! One step of AdamW for one weight: value and both moments in one pass.

use super::calls::AdamW;
use super::launch::{Launch, Output};
use super::modules::Module;
use super::takes;
use crate::{Error, Result, Value};

/// The coefficients of one step of one weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// Decay of the first and second moment.
    pub(crate) betas: (f64, f64),
    /// Added to the root of the second moment.
    pub(crate) epsilon: f64,
    /// 1 − learning rate · decay.
    pub(crate) keep: f64,
    /// Learning rate over the first moment's bias correction.
    pub(crate) rate: f64,
    /// One over the root of the second moment's bias correction.
    pub(crate) root: f64,
}

/// The new value and moments, or `None` for values the kernel doesn't take. All are of one dtype and shape.
pub(crate) fn adamw(
    rates: Rates,
    value: &Value,
    gradient: &Value,
    moments: &[Value; 2],
) -> Result<Option<(Value, [Value; 2])>> {
    if !takes(value) || [gradient, &moments[0], &moments[1]].iter().any(|other| other.dtype() != value.dtype()) {
        return Ok(None);
    }
    let count = value.elem_count();
    let launch = Launch {
        module: Module::AdamW,
        name: "adamw_step",
        elements: value.dtype(),
        grid: [count.div_ceil(256).min(8192), 1],
        block: [256, 1],
        shared: 0,
    };
    let made = || Some(Output::like(value));
    let made = launch.run(
        [Some(value), Some(gradient), Some(&moments[0]), Some(&moments[1])],
        [made(), made(), made()],
        |[value, gradient, first, second], [new_value, new_first, new_second]| AdamW {
            value,
            gradient,
            first,
            second,
            new_value,
            new_first,
            new_second,
            count: count as i64,
            beta1: rates.betas.0,
            beta2: rates.betas.1,
            epsilon: rates.epsilon,
            keep: rates.keep,
            rate: rates.rate,
            root: rates.root,
        },
    )?;
    match made {
        [Some(value), Some(first), Some(second)] => Ok(Some((value, [first, second]))),
        _ => Err(Error::argument("adamw", "lost an output")),
    }
}
