//! Elements and rows by index, and orders.

use compute::{DType, Tensor, ops};
use lacuna_abi::attribute::{AXIS, CLASSES, COUNT, DESCENDING};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Outcome, binary, many, one, operator, unary};

fn picked(a: &Arguments<'_>, pick: fn(&Tensor, i64, &Tensor) -> compute::Result<Tensor>) -> Outcome {
    one(pick(&a.tensor(0)?, a.attributes.maybe_integer(AXIS)?.unwrap_or(0), &a.tensor(1)?)?)
}

fn put(a: &Arguments<'_>, put: fn(&Tensor, i64, &Tensor, &Tensor) -> compute::Result<Tensor>) -> Outcome {
    one(put(&a.tensor(0)?, a.attributes.maybe_integer(AXIS)?.unwrap_or(0), &a.tensor(1)?, &a.tensor(2)?)?)
}

pub(super) const TABLE: &[Operator] = &[
    operator(op::INDEX_SELECT, (2, 2), &[AXIS], |a| picked(a, ops::index_select)),
    operator(op::GATHER, (2, 2), &[AXIS], |a| picked(a, ops::gather)),
    operator(op::SCATTER, (3, 3), &[AXIS], |a| put(a, ops::scatter)),
    operator(op::SCATTER_ADD, (3, 3), &[AXIS], |a| put(a, ops::scatter_add)),
    operator(op::INDEX_ADD, (3, 3), &[AXIS], |a| put(a, ops::index_add)),
    binary!(MASKED_SELECT, ops::masked_select),
    operator(op::ONE_HOT, (1, 1), &[CLASSES], |a| {
        one(ops::one_hot(&a.tensor(0)?, a.attributes.size(CLASSES)?, DType::F32)?)
    }),
    operator(op::SORT, (1, 1), &[DESCENDING], |a| {
        let (values, indices) = ops::sort(&a.tensor(0)?, -1, a.attributes.flag(DESCENDING)?)?;
        many([values, indices])
    }),
    operator(op::TOP_K, (1, 1), &[COUNT], |a| {
        let (values, indices) = ops::top_k(&a.tensor(0)?, a.attributes.size(COUNT)?, -1, true)?;
        many([values, indices])
    }),
    unary!(NONZERO, ops::nonzero),
];
