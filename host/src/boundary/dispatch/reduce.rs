//! Reductions along axes.

use compute::{Tensor, ops};
use lacuna_abi::attribute::{AXES, AXIS, KEEP, UNBIASED};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::compare::all_axes;
use super::{Operator, Outcome, Stop, one, operator, unary};

/// The axes of attribute `axes`; all of `x` where it is absent.
fn axes(a: &Arguments<'_>, x: &Tensor) -> Result<Vec<i64>, Stop> {
    Ok(a.attributes.maybe_integers(AXES)?.unwrap_or_else(|| all_axes(x)))
}

type AlongAxes = fn(&Tensor, &[i64], bool) -> compute::Result<Tensor>;

fn along_axes(a: &Arguments<'_>, reduce: AlongAxes) -> Outcome {
    let x = a.tensor(0)?;
    one(reduce(&x, &axes(a, &x)?, a.attributes.flag(KEEP)?)?)
}

fn along_axis(a: &Arguments<'_>, reduce: AlongAxes) -> Outcome {
    one(reduce(&a.tensor(0)?, &[a.attributes.integer(AXIS)?], a.attributes.flag(KEEP)?)?)
}

fn spread(a: &Arguments<'_>, reduce: fn(&Tensor, &[i64], bool, bool) -> compute::Result<Tensor>) -> Outcome {
    let x = a.tensor(0)?;
    one(reduce(&x, &axes(a, &x)?, a.attributes.flag(UNBIASED)?, a.attributes.flag(KEEP)?)?)
}

pub(super) const TABLE: &[Operator] = &[
    operator(op::SUM, (1, 1), &[AXES, KEEP], |a| along_axes(a, ops::sum)),
    operator(op::MEAN, (1, 1), &[AXES, KEEP], |a| along_axes(a, ops::mean)),
    operator(op::MAX, (1, 1), &[AXIS, KEEP], |a| along_axis(a, ops::max)),
    operator(op::MIN, (1, 1), &[AXIS, KEEP], |a| along_axis(a, ops::min)),
    operator(op::PROD, (1, 1), &[AXIS, KEEP], |a| along_axis(a, ops::prod)),
    operator(op::VARIANCE, (1, 1), &[AXES, KEEP, UNBIASED], |a| spread(a, ops::variance)),
    operator(op::STD, (1, 1), &[AXES, KEEP, UNBIASED], |a| spread(a, ops::std)),
    operator(op::LOGSUMEXP, (1, 1), &[AXIS, KEEP], |a| along_axis(a, ops::logsumexp)),
    operator(op::NORM, (1, 1), &[AXES, KEEP], |a| along_axes(a, ops::norm)),
    operator(op::CUMSUM, (1, 1), &[AXIS], |a| one(ops::cumsum(&a.tensor(0)?, a.attributes.integer(AXIS)?)?)),
    operator(op::ARGMAX, (1, 1), &[AXIS], |a| one(ops::argmax(&a.tensor(0)?, a.attributes.integer(AXIS)?, false)?)),
    operator(op::ARGMIN, (1, 1), &[AXIS], |a| one(ops::argmin(&a.tensor(0)?, a.attributes.integer(AXIS)?, false)?)),
    unary!(COUNT_TRUE, count_all_true),
];

fn count_all_true(x: &Tensor) -> compute::Result<Tensor> {
    ops::count_true(x, &all_axes(x), false)
}
