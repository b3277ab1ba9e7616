//! Softmax cross-entropy per row: with ignored labels and smoothing, or against distributions.

use super::calls::{CrossEntropy, SoftCrossEntropy};
use super::launch::{Launch, Output};
use super::modules::Module;
use super::{real, rows_width, takes};
use crate::{Error, Result, Tensor, Value};

/// The loss of each row of `logits [n, v]`, or `None` for values the kernels don't take. Targets are checked already.
pub(crate) fn cross_entropy(logits: &Tensor, targets: &[Option<usize>], smoothing: f64) -> Result<Option<Tensor>> {
    if !takes(logits.value()) {
        return Ok(None);
    }
    let labels = Labels::new(logits.value(), targets, smoothing)?;
    let x = logits.value().clone();
    let (loss, lse) = labels.forward(&x)?;
    Ok(Some(Tensor::from_op("cross_entropy", loss, &[logits], move |gradient, _| {
        Ok(vec![Some(labels.backward(&x, &lse, gradient)?)])
    })))
}

/// Targets on the device.
pub(super) struct Labels {
    targets: Value,
    smoothing: f64,
}

impl Labels {
    /// Targets beside `logits`, on their device.
    pub(super) fn new(logits: &Value, targets: &[Option<usize>], smoothing: f64) -> Result<Self> {
        let targets: Vec<i64> = targets.iter().map(|target| target.map_or(-1, |target| target as i64)).collect();
        let count = targets.len();
        Ok(Self { targets: Value::from_vec(targets, count, logits.device())?, smoothing })
    }

    /// Loss and log-sum-exp of each row, in the computing type.
    pub(super) fn forward(&self, logits: &Value) -> Result<(Value, Value)> {
        let (rows, width) = rows_width(logits);
        let each = Output::new(real(logits.dtype()), &[rows]);
        let [loss, lse] = Launch::by_blocks(Module::CrossEntropy, "cross_entropy_forward", logits.dtype(), rows).run(
            [Some(logits), Some(&self.targets)],
            [Some(each.clone()), Some(each)],
            |[logits, targets], [loss, lse]| CrossEntropy {
                logits,
                targets,
                gradient: 0,
                loss,
                lse,
                dlogits: 0,
                rows: rows as i64,
                width: width as i64,
                smoothing: self.smoothing,
            },
        )?;
        loss.zip(lse).ok_or_else(|| Error::argument("cross_entropy", "lost an output"))
    }

    /// The gradient of the logits.
    pub(super) fn backward(&self, logits: &Value, lse: &Value, gradient: &Value) -> Result<Value> {
        let (rows, width) = rows_width(logits);
        let gradient = gradient.to_dtype(lse.dtype())?;
        Launch::by_blocks(Module::CrossEntropy, "cross_entropy_backward", logits.dtype(), rows).run_one(
            [Some(logits), Some(&self.targets), Some(lse), Some(&gradient)],
            Output::like(logits),
            |[logits, targets, lse, gradient], dlogits| CrossEntropy {
                logits,
                targets,
                gradient,
                loss: 0,
                lse,
                dlogits,
                rows: rows as i64,
                width: width as i64,
                smoothing: self.smoothing,
            },
        )
    }
}

/// The loss of each row against distributions, or `None` for values the kernels don't take.
pub(crate) fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Option<Tensor>> {
    if !takes(logits.value()) {
        return Ok(None);
    }
    let x = logits.value().clone();
    let elements = x.dtype();
    let (target_dtype, p) = (targets.value().dtype(), targets.value().to_dtype(elements)?);
    let (rows, width) = rows_width(&x);
    let each = Output::new(real(elements), &[rows]);
    let launch = |name: &'static str| Launch::by_blocks(Module::CrossEntropy, name, elements, rows);
    let [loss, lse] = launch("soft_cross_entropy_forward").run(
        [Some(&x), Some(&p)],
        [Some(each.clone()), Some(each)],
        |[logits, targets], [loss, lse]| SoftCrossEntropy {
            logits,
            targets,
            gradient: 0,
            loss,
            lse,
            dlogits: 0,
            dtargets: 0,
            rows: rows as i64,
            width: width as i64,
        },
    )?;
    let (loss, lse) = loss.zip(lse).ok_or_else(|| Error::argument("soft_cross_entropy", "lost an output"))?;
    Ok(Some(Tensor::from_op("soft_cross_entropy", loss, &[logits, targets], move |gradient, needs| {
        let gradient = gradient.to_dtype(lse.dtype())?;
        let wanted = |needed: bool| needed.then(|| Output::like(&x));
        let [dx, dp] = Launch::by_blocks(Module::CrossEntropy, "soft_cross_entropy_backward", elements, rows).run(
            [Some(&x), Some(&p), Some(&lse), Some(&gradient)],
            [wanted(needs[0]), wanted(needs[1])],
            |[logits, targets, lse, gradient], [dlogits, dtargets]| SoftCrossEntropy {
                logits,
                targets,
                gradient,
                loss: 0,
                lse,
                dlogits,
                dtargets,
                rows: rows as i64,
                width: width as i64,
            },
        )?;
        Ok(vec![dx, dp.map(|dp| dp.to_dtype(target_dtype)).transpose()?])
    })))
}
