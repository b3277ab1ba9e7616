//! Fused operations of networks: products, norms, attention.

use compute::mask::Mask;
use compute::{Tensor, nn_ops, ops};
use lacuna_abi::attribute::{ACTIVATION, BASE, DIMENSIONS, EPSILON, GROUPS, INTERLEAVED, MAPS, RATE, SCALE, STREAM};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Outcome, binary, many, one, operator, unary};
use crate::error::{Error, Result};

/// The scale of scores: what is asked for, or one over the root of the features of a head.
fn scale_of(a: &Arguments<'_>, q: &Tensor) -> Result<f64> {
    let head_dim = q.dims().last().copied().unwrap_or(1).max(1) as f64;
    Ok(a.attributes.maybe_float(SCALE)?.unwrap_or_else(|| head_dim.sqrt().recip()))
}

fn attention(a: &Arguments<'_>) -> Outcome {
    let (q, k, v, queries) = (a.tensor(0)?, a.tensor(1)?, a.tensor(2)?, a.layout(3)?);
    let keys = a.maybe_layout(4)?.unwrap_or(queries);
    let full = Mask::full();
    let mask = a.maybe_mask(5)?.unwrap_or(&full);
    let scale = scale_of(a, &q)?;
    let rate = a.attributes.maybe_float(RATE)?.unwrap_or(0.0);
    let dropout = if a.training() && rate > 0.0 { Some((rate, a.key(Some(queries))?)) } else { None };
    if a.attributes.flag(MAPS)? {
        let (output, maps) = nn_ops::attention_maps(&q, &k, &v, queries, keys, mask, scale, dropout)?;
        return many([output, maps]);
    }
    one(nn_ops::attention(&q, &k, &v, queries, keys, mask, scale, dropout)?)
}

/// Attention to what the state remembers, which the keys and values of this step join.
fn remembered_attention(a: &Arguments<'_>) -> Outcome {
    let (q, k, v, layout, state) = (a.tensor(0)?, a.tensor(1)?, a.tensor(2)?, a.layout(3)?, a.state(4)?);
    let full = Mask::full();
    let mask = a.maybe_mask(5)?.unwrap_or(&full);
    let scale = scale_of(a, &q)?;
    let name = a.attributes.maybe_text(STREAM)?.unwrap_or_default();
    one(state.attend(name, (&q, &k, &v), layout, mask, scale)?)
}

fn rotary(a: &Arguments<'_>) -> Outcome {
    let (x, positions) = (a.tensor(0)?, a.sizes(1)?);
    let positions: Vec<u32> = positions
        .into_iter()
        .map(|position| {
            u32::try_from(position)
                .map_err(|_| Error::new("tensor/argument", format!("rotary: position {position} is too large")))
        })
        .collect::<Result<_, _>>()?;
    let width = x.dims().last().copied().unwrap_or(0);
    let dimensions = a.attributes.maybe_size(DIMENSIONS)?.unwrap_or(width);
    let base = a.attributes.maybe_float(BASE)?.unwrap_or(10_000.0);
    one(nn_ops::rotary(&x, &positions, base, a.attributes.flag(INTERLEAVED)?, dimensions)?)
}

fn batch_norm(a: &Arguments<'_>) -> Outcome {
    let (x, weight, bias) = (a.tensor(0)?, a.maybe_tensor(1)?, a.maybe_tensor(2)?);
    let (mean, variance) = (a.tensor(3)?, a.tensor(4)?);
    let settings = nn_ops::BatchNorm {
        running_mean: mean.value(),
        running_variance: variance.value(),
        training: a.training(),
        // The new value alone comes out: mixing it into the buffers is the plugin's `update`.
        momentum: 1.0,
        eps: a.attributes.maybe_float(EPSILON)?.unwrap_or(1e-5),
    };
    let (y, mean, variance) = nn_ops::batch_norm(&x, weight.as_ref(), bias.as_ref(), &settings)?;
    many([y, Tensor::constant(mean), Tensor::constant(variance)])
}

/// The core has no sigmoid among its fused activations: it is written out.
const SIGMOID: Option<&str> = Some("sigmoid");

fn linear(a: &Arguments<'_>) -> Outcome {
    let (x, weight, bias) = (a.tensor(0)?, a.weight_of_product(1)?, a.maybe_tensor(2)?);
    if a.attributes.maybe_text(ACTIVATION)? == SIGMOID {
        return one(ops::sigmoid(&nn_ops::linear(&x, &weight, bias.as_ref(), nn_ops::Activation::None)?)?);
    }
    one(nn_ops::linear(&x, &weight, bias.as_ref(), a.attributes.activation()?)?)
}

fn glu(a: &Arguments<'_>) -> Outcome {
    let x = a.tensor(0)?;
    if a.attributes.maybe_text(ACTIVATION)? == SIGMOID {
        let halves = ops::chunk(&x, -1, 2)?;
        if let [gate, value] = &halves[..]
            && gate.dims() == value.dims()
        {
            return one(ops::mul(&ops::sigmoid(gate)?, value)?);
        }
        return Err(
            Error::new("tensor/shape", format!("glu: the last axis of {:?} has no two halves", x.dims())).into()
        );
    }
    one(nn_ops::glu(&x, a.attributes.activation()?)?)
}

pub(super) const TABLE: &[Operator] = &[
    binary!(MATMUL, ops::matmul),
    operator(op::LINEAR, (2, 3), &[ACTIVATION], linear),
    operator(op::GLU, (1, 1), &[ACTIVATION], glu),
    binary!(EMBEDDING, nn_ops::embedding),
    operator(op::LAYER_NORM, (1, 3), &[EPSILON], |a| {
        let (weight, bias) = (a.maybe_tensor(1)?, a.maybe_tensor(2)?);
        let epsilon = a.attributes.maybe_float(EPSILON)?.unwrap_or(1e-5);
        one(nn_ops::layer_norm(&a.tensor(0)?, weight.as_ref(), bias.as_ref(), epsilon)?)
    }),
    operator(op::RMS_NORM, (1, 2), &[EPSILON], |a| {
        let weight = a.maybe_tensor(1)?;
        one(nn_ops::rms_norm(&a.tensor(0)?, weight.as_ref(), a.attributes.maybe_float(EPSILON)?.unwrap_or(1e-6))?)
    }),
    unary!(SOFTMAX, nn_ops::softmax),
    unary!(LOG_SOFTMAX, nn_ops::log_softmax),
    operator(op::ROTARY, (2, 2), &[BASE, INTERLEAVED, DIMENSIONS], rotary),
    operator(op::ATTENTION, (4, 6), &[SCALE, RATE, STREAM, MAPS], attention),
    operator(op::REMEMBERED_ATTENTION, (5, 6), &[SCALE, STREAM], remembered_attention),
    operator(op::DROPOUT, (1, 2), &[RATE, STREAM], |a| {
        let (x, layout, rate) = (a.tensor(0)?, a.maybe_layout(1)?, a.attributes.float(RATE)?);
        if !a.training() || rate == 0.0 {
            return one(x);
        }
        one(nn_ops::dropout(&x, rate, a.key(layout)?, layout)?)
    }),
    operator(op::BATCH_NORM, (5, 5), &[EPSILON], batch_norm),
    operator(op::GROUP_NORM, (1, 3), &[GROUPS, EPSILON], |a| {
        let (weight, bias) = (a.maybe_tensor(1)?, a.maybe_tensor(2)?);
        let epsilon = a.attributes.maybe_float(EPSILON)?.unwrap_or(1e-5);
        one(nn_ops::group_norm(&a.tensor(0)?, a.attributes.size(GROUPS)?, weight.as_ref(), bias.as_ref(), epsilon)?)
    }),
];
