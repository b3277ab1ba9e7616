//! Shapes: views, joins, windows.

use compute::{Tensor, ops};
use lacuna_abi::attribute::{AXES, AXIS, LEFT, LENGTH, RIGHT, SHAPE, START, STEP, VALUE};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Outcome, one, operator, unary};
use crate::error::Error;

fn joined(a: &Arguments<'_>, join: fn(&[&Tensor], i64) -> compute::Result<Tensor>) -> Outcome {
    let tensors = a.tensors()?;
    let axis = a.attributes.maybe_integer(AXIS)?.unwrap_or(0);
    one(join(&tensors.iter().collect::<Vec<_>>(), axis)?)
}

fn cut(a: &Arguments<'_>, cut: fn(&Tensor, i64) -> compute::Result<Tensor>) -> Outcome {
    one(cut(&a.tensor(0)?, a.attributes.maybe_integer(START)?.unwrap_or(0))?)
}

/// From `start` up to, but without, the end; negative ones count from the back, ends past it are the end.
fn slice(a: &Arguments<'_>) -> Outcome {
    let (x, axis) = (a.tensor(0)?, a.attributes.integer(AXIS)?);
    let index = if axis < 0 { axis + x.rank() as i64 } else { axis };
    let length = usize::try_from(index).ok().and_then(|index| x.dims().get(index)).copied().unwrap_or(0) as i64;
    let from_front =
        |place: i64| (if place < 0 { place.saturating_add(length) } else { place }).clamp(0, length) as usize;
    let (start, end) =
        (from_front(a.attributes.maybe_integer(START)?.unwrap_or(0)), from_front(a.attributes.integer(LENGTH)?));
    one(ops::slice(&x, axis, start, end.max(start), a.attributes.maybe_size(STEP)?.unwrap_or(1))?)
}

pub(super) const TABLE: &[Operator] = &[
    operator(op::RESHAPE, (1, 1), &[SHAPE], |a| one(ops::reshape(&a.tensor(0)?, &a.attributes.integers(SHAPE)?)?)),
    operator(op::TRANSPOSE, (1, 1), &[AXES], |a| {
        let axes = a.attributes.integers(AXES)?;
        let [first, second] = axes[..] else {
            return Err(Error::new(
                "tensor/attribute",
                format!("transpose: {} axes are given, it takes two", axes.len()),
            )
            .into());
        };
        one(ops::transpose(&a.tensor(0)?, first, second)?)
    }),
    operator(op::PERMUTE, (1, 1), &[AXES], |a| one(ops::permute(&a.tensor(0)?, &a.attributes.integers(AXES)?)?)),
    operator(op::UNSQUEEZE, (1, 1), &[AXIS], |a| one(ops::unsqueeze(&a.tensor(0)?, a.attributes.integer(AXIS)?)?)),
    operator(op::SQUEEZE, (1, 1), &[AXIS], |a| one(ops::squeeze(&a.tensor(0)?, a.attributes.integer(AXIS)?)?)),
    operator(op::EXPAND, (1, 1), &[SHAPE], |a| one(ops::expand(&a.tensor(0)?, &a.attributes.integers(SHAPE)?)?)),
    operator(op::NARROW, (1, 1), &[AXIS, START, LENGTH], |a| {
        let (start, length) = (a.attributes.size(START)?, a.attributes.size(LENGTH)?);
        one(ops::narrow(&a.tensor(0)?, a.attributes.integer(AXIS)?, start, length)?)
    }),
    operator(op::SLICE, (1, 1), &[AXIS, START, LENGTH, STEP], slice),
    operator(op::CAT, (1, usize::MAX), &[AXIS], |a| joined(a, ops::cat)),
    operator(op::STACK, (1, usize::MAX), &[AXIS], |a| joined(a, ops::stack)),
    operator(op::FLIP, (1, 1), &[AXES], |a| one(ops::flip(&a.tensor(0)?, &a.attributes.integers(AXES)?)?)),
    operator(op::ROLL, (1, 1), &[AXIS, START], |a| {
        one(ops::roll(&a.tensor(0)?, a.attributes.integer(START)?, a.attributes.integer(AXIS)?)?)
    }),
    operator(op::PAD, (1, 1), &[AXIS, LEFT, RIGHT, VALUE], |a| {
        let (left, right) = (a.attributes.maybe_size(LEFT)?.unwrap_or(0), a.attributes.maybe_size(RIGHT)?.unwrap_or(0));
        let mode = ops::PadMode::Constant(a.attributes.maybe_float(VALUE)?.unwrap_or(0.0));
        one(ops::pad(&a.tensor(0)?, a.attributes.integer(AXIS)?, left, right, mode)?)
    }),
    operator(op::REPEAT, (1, 1), &[SHAPE], |a| one(ops::repeat(&a.tensor(0)?, &a.attributes.sizes(SHAPE)?)?)),
    operator(op::TRIL, (1, 1), &[START], |a| cut(a, ops::tril)),
    operator(op::TRIU, (1, 1), &[START], |a| cut(a, ops::triu)),
    unary!(CONTIGUOUS, ops::contiguous),
    operator(op::UNFOLD, (1, 1), &[AXIS, LENGTH, STEP], |a| {
        let step = a.attributes.maybe_size(STEP)?.unwrap_or(1);
        one(ops::unfold(&a.tensor(0)?, a.attributes.integer(AXIS)?, a.attributes.size(LENGTH)?, step)?)
    }),
];
