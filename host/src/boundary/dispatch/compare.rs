//! Comparisons, truth values and choices by them.

use compute::{Tensor, ops};
use lacuna_abi::attribute::VALUE;
use lacuna_abi::op;

use super::elementwise::with_value;
use super::{Operator, binary, one, operator, unary};
use crate::boundary::object::Content;

pub(super) const TABLE: &[Operator] = &[
    binary!(EQ, ops::eq),
    binary!(NE, ops::ne),
    binary!(LT, ops::lt),
    binary!(LE, ops::le),
    binary!(GT, ops::gt),
    binary!(GE, ops::ge),
    with_value!(EQ_SCALAR, ops::eq_scalar),
    with_value!(LT_SCALAR, ops::lt_scalar),
    with_value!(LE_SCALAR, ops::le_scalar),
    with_value!(GT_SCALAR, ops::gt_scalar),
    with_value!(GE_SCALAR, ops::ge_scalar),
    operator(op::AND, (2, 2), &[], |a| {
        if a.is_mask(0)
            && let (Some(left), Some(right)) = (a.maybe_mask(0)?, a.maybe_mask(1)?)
        {
            return one(Content::Mask(left.and(right)));
        }
        one(ops::logical_and(&a.tensor(0)?, &a.tensor(1)?)?)
    }),
    binary!(OR, ops::logical_or),
    binary!(XOR, ops::logical_xor),
    unary!(NOT, ops::logical_not),
    operator(op::WHERE, (3, 3), &[], |a| one(ops::where_cond(&a.tensor(0)?, &a.tensor(1)?, &a.tensor(2)?)?)),
    operator(op::FILL_WHERE, (2, 2), &[VALUE], |a| {
        one(ops::fill_where(&a.tensor(0)?, &a.tensor(1)?, a.attributes.float(VALUE)?)?)
    }),
    unary!(IS_FINITE, ops::is_finite),
    operator(op::ANY, (1, 1), &[], |a| {
        let x = a.tensor(0)?;
        one(ops::any(&x, &all_axes(&x), false)?)
    }),
    operator(op::ALL, (1, 1), &[], |a| {
        let x = a.tensor(0)?;
        one(ops::all(&x, &all_axes(&x), false)?)
    }),
];

pub(super) fn all_axes(x: &Tensor) -> Vec<i64> {
    (0..x.rank() as i64).collect()
}
