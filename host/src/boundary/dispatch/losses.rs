//! Losses, one value for each row or element unless said otherwise.

use compute::nn_ops::TooShort;
use compute::{Tensor, nn_ops, ops};
use lacuna_abi::attribute::{BLANK, CHUNK, DELTA, IGNORE, SKIP, SMOOTHING, SYMMETRIC, TEMPERATURE};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Stop, binary, one, operator};

/// Rows of logits held at once where the plugin does not say.
const DEFAULT_CHUNK: usize = 1024;

fn label_settings(a: &Arguments<'_>) -> Result<(i64, f64), Stop> {
    let ignore = a.attributes.maybe_integer(IGNORE)?.unwrap_or(nn_ops::IGNORE);
    Ok((ignore, a.attributes.maybe_float(SMOOTHING)?.unwrap_or(0.0)))
}

fn kl_of_logs(log_p: &Tensor, log_q: &Tensor) -> compute::Result<Tensor> {
    ops::kl_div(log_p, log_q, true)
}

pub(super) const TABLE: &[Operator] = &[
    operator(op::CROSS_ENTROPY, (2, 2), &[IGNORE, SMOOTHING], |a| {
        let (ignore, smoothing) = label_settings(a)?;
        one(nn_ops::cross_entropy(&a.tensor(0)?, &a.tensor(1)?, ignore, smoothing)?)
    }),
    binary!(CROSS_ENTROPY_SOFT, nn_ops::soft_cross_entropy),
    operator(op::LINEAR_CROSS_ENTROPY, (4, 4), &[IGNORE, SMOOTHING, CHUNK], |a| {
        let (ignore, smoothing) = label_settings(a)?;
        let chunk = a.attributes.maybe_size(CHUNK)?.unwrap_or(DEFAULT_CHUNK);
        let bias = a.maybe_tensor(2)?;
        let (hidden, weight, targets) = (a.tensor(0)?, a.tensor(1)?, a.tensor(3)?);
        one(nn_ops::linear_cross_entropy(&hidden, &weight, bias.as_ref(), &targets, ignore, smoothing, chunk)?)
    }),
    operator(op::BCE_WITH_LOGITS, (2, 3), &[], |a| {
        let positive = a.maybe_tensor(2)?;
        one(ops::bce_with_logits(&a.tensor(0)?, &a.tensor(1)?, positive.as_ref())?)
    }),
    binary!(KL_DIV, kl_of_logs),
    binary!(MSE, ops::mse),
    binary!(L1, ops::l1),
    operator(op::HUBER, (2, 2), &[DELTA], |a| {
        one(ops::huber(&a.tensor(0)?, &a.tensor(1)?, a.attributes.maybe_float(DELTA)?.unwrap_or(1.0))?)
    }),
    operator(op::INFO_NCE, (2, 2), &[TEMPERATURE, SYMMETRIC], |a| {
        let temperature = a.attributes.float(TEMPERATURE)?;
        one(ops::info_nce(&a.tensor(0)?, &a.tensor(1)?, temperature, a.attributes.flag(SYMMETRIC)?)?)
    }),
    binary!(COSINE_SIMILARITY, ops::cosine_similarity),
    operator(op::CTC, (4, 4), &[BLANK, SKIP], |a| {
        let too_short = if a.attributes.flag(SKIP)? { TooShort::Skip } else { TooShort::Refuse };
        let (layout, label_layout, blank) = (a.layout(1)?, a.layout(3)?, a.attributes.size(BLANK)?);
        one(nn_ops::ctc(&a.tensor(0)?, layout, &a.tensor(2)?, label_layout, blank, too_short)?)
    }),
];
