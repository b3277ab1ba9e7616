//! Constants and random tensors, keyed by what they belong to.

use compute::layout::Layout;
use compute::{DType, Tensor, Value, ops, random};
use lacuna_abi::attribute::{COUNT, DTYPE, FEATURES, HIGH, LENGTH, MEAN, RATE, SHAPE, START, STD, STREAM, VALUE};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Outcome, Stop, one, operator};
use crate::error::Error;

/// The shape of a draw: `shape`, or with a layout `[rows, features]` (`[rows]` without the attribute).
fn shape(a: &Arguments<'_>, layout: Option<&Layout>) -> Result<Vec<usize>, Stop> {
    match (layout, a.attributes.maybe_size(FEATURES)?) {
        (Some(layout), Some(features)) => Ok(vec![layout.tokens(), features]),
        (None, Some(_)) => Err(Error::new("tensor/attribute", "a draw with `features` needs a layout")
            .with_help("give the layout of the rows, or `shape` instead")
            .into()),
        (Some(layout), None) if a.attributes.maybe_integers(SHAPE)?.is_none() => Ok(vec![layout.tokens()]),
        _ => Ok(a.attributes.sizes(SHAPE)?),
    }
}

fn full(a: &Arguments<'_>) -> Outcome {
    let (shape, value, dtype) =
        (a.attributes.sizes(SHAPE)?, a.attributes.float(VALUE)?, a.attributes.dtype(Some(DType::F32))?);
    let value = Value::full(value, shape, a.device()).map_err(compute::Error::from)?;
    one(ops::cast(&Tensor::constant(value), dtype)?)
}

fn arange(a: &Arguments<'_>) -> Outcome {
    let (length, dtype) = (a.attributes.size(LENGTH)?, a.attributes.dtype(Some(DType::I64))?);
    let start = a.attributes.maybe_integer(START)?.unwrap_or(0);
    let numbers: Vec<i64> = (0..length as i64).map(|index| start + index).collect();
    one(ops::cast(&Tensor::from_slice(&numbers, &[length], a.device())?, dtype)?)
}

fn normal(a: &Arguments<'_>) -> Outcome {
    let layout = a.maybe_layout(0)?;
    let (shape, dtype) = (shape(a, layout)?, a.attributes.dtype(Some(DType::F32))?);
    let (mean, std) = (a.attributes.maybe_float(MEAN)?.unwrap_or(0.0), a.attributes.maybe_float(STD)?.unwrap_or(1.0));
    let standard = random::normal(a.key(layout)?, &shape, layout, dtype, a.device())?;
    let scaled = if std == 1.0 { standard } else { ops::mul_scalar(&standard, std)? };
    one(if mean == 0.0 { scaled } else { ops::add_scalar(&scaled, mean)? })
}

fn integers(a: &Arguments<'_>) -> Outcome {
    let layout = a.maybe_layout(0)?;
    let (shape, high) = (shape(a, layout)?, a.attributes.size(HIGH)? as u64);
    one(random::integers(a.key(layout)?, high, &shape, layout, DType::U32, a.device())?)
}

pub(super) const TABLE: &[Operator] = &[
    operator(op::FULL, (0, 0), &[SHAPE, VALUE, DTYPE], full),
    operator(op::ARANGE, (0, 0), &[START, LENGTH, DTYPE], arange),
    operator(op::UNIFORM, (0, 1), &[SHAPE, FEATURES, STREAM, DTYPE], |a| {
        let layout = a.maybe_layout(0)?;
        let (shape, dtype) = (shape(a, layout)?, a.attributes.dtype(Some(DType::F32))?);
        one(random::uniform(a.key(layout)?, &shape, layout, dtype, a.device())?)
    }),
    operator(op::NORMAL, (0, 1), &[SHAPE, FEATURES, MEAN, STD, STREAM, DTYPE], normal),
    operator(op::BERNOULLI, (0, 1), &[SHAPE, FEATURES, RATE, STREAM], |a| {
        let layout = a.maybe_layout(0)?;
        let (shape, rate) = (shape(a, layout)?, a.attributes.float(RATE)?);
        one(random::bernoulli(a.key(layout)?, rate, &shape, layout, a.device())?)
    }),
    operator(op::INTEGERS, (0, 1), &[SHAPE, FEATURES, HIGH, STREAM], integers),
    operator(op::GUMBEL, (0, 1), &[SHAPE, FEATURES, STREAM, DTYPE], |a| {
        let layout = a.maybe_layout(0)?;
        let (shape, dtype) = (shape(a, layout)?, a.attributes.dtype(Some(DType::F32))?);
        one(random::gumbel(a.key(layout)?, &shape, layout, dtype, a.device())?)
    }),
    operator(op::PERMUTATION, (0, 0), &[COUNT, STREAM], |a| {
        one(random::permutation(a.key(None)?, a.attributes.size(COUNT)?, a.device())?)
    }),
];
