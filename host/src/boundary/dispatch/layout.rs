//! Layouts of rows and masks over them.

use compute::layout::{self, Layout};
use compute::mask::{self, Mask};
use compute::{Tensor, ops};
use lacuna_abi::attribute::{COUNT, LEFT, MODE, RIGHT, VALUE};
use lacuna_abi::op;

use super::arguments::Arguments;
use super::{Operator, Outcome, one, operator};
use crate::boundary::object::Content;
use crate::error::Error;

fn new_layout(a: &Arguments<'_>) -> Outcome {
    let lengths = a.sizes(0)?;
    let keys: Vec<u64> = if a.attributes.flag(MODE)? {
        let keys = a.tensor(1)?;
        let keys = ops::cast(&keys, compute::DType::I64)?.value().flatten_all().and_then(|keys| keys.to_vec1::<i64>());
        keys.map_err(compute::Error::from)?.into_iter().map(|key| key as u64).collect()
    } else {
        (0..lengths.len() as u64).collect()
    };
    one(Content::Layout(Layout::new(&lengths, &keys)?))
}

fn lengths(a: &Arguments<'_>) -> Outcome {
    let lengths: Vec<u32> = a.layout(0)?.lengths().map(|length| length as u32).collect();
    one(Tensor::from_slice(&lengths, &[lengths.len()], a.device())?)
}

fn mask(mask: Mask) -> Outcome {
    one(Content::Mask(mask))
}

fn window(a: &Arguments<'_>) -> Outcome {
    let (left, right) = (a.attributes.maybe_size(LEFT)?, a.attributes.maybe_size(RIGHT)?);
    if left.is_none() && right.is_none() {
        let text = "mask_window: attributes `left` and `right` are missing";
        return Err(Error::new("tensor/attribute", text).with_help("one left out does not limit its side").into());
    }
    mask(Mask::window(left.unwrap_or(usize::MAX), right.unwrap_or(usize::MAX)))
}

pub(super) const TABLE: &[Operator] = &[
    operator(op::LAYOUT_NEW, (1, 2), &[MODE], new_layout),
    operator(op::LAYOUT_PAD, (2, 2), &[VALUE], |a| {
        one(layout::pad(&a.tensor(0)?, a.layout(1)?, a.attributes.maybe_float(VALUE)?.unwrap_or(0.0))?)
    }),
    operator(op::LAYOUT_ROWS, (2, 2), &[], |a| one(layout::rows(&a.tensor(0)?, a.layout(1)?)?)),
    operator(op::LAYOUT_POSITIONS, (1, 1), &[], |a| one(a.layout(0)?.positions_tensor(a.device())?)),
    operator(op::LAYOUT_LENGTHS, (1, 1), &[], lengths),
    operator(op::LAYOUT_REAL, (1, 1), &[], |a| one(layout::real(a.layout(0)?, a.device())?)),
    operator(op::LAYOUT_SEGMENTS, (1, 1), &[], |a| one(a.layout(0)?.segments_tensor(a.device())?)),
    operator(op::SEGMENT_MEAN, (2, 2), &[], |a| one(layout::segment_mean(&a.tensor(0)?, a.layout(1)?)?)),
    operator(op::SEGMENT_SUM, (2, 2), &[], |a| one(layout::segment_sum(&a.tensor(0)?, a.layout(1)?)?)),
    operator(op::FIRST_ROWS, (1, 1), &[], |a| one(a.layout(0)?.first_rows(a.device())?)),
    operator(op::LAST_ROWS, (1, 1), &[], |a| one(a.layout(0)?.last_rows(a.device())?)),
    operator(op::MASK_FULL, (0, 0), &[], |_| mask(Mask::full())),
    operator(op::MASK_CAUSAL, (0, 0), &[], |_| mask(Mask::causal())),
    operator(op::MASK_PREFIX, (1, 1), &[], |a| mask(Mask::prefix(a.sizes(0)?))),
    operator(op::MASK_WINDOW, (0, 0), &[LEFT, RIGHT], window),
    operator(op::MASK_KEYS, (1, 1), &[], |a| mask(Mask::keys(&a.tensor(0)?)?)),
    operator(op::MASK_DENSE, (1, 1), &[], |a| mask(Mask::dense(&a.tensor(0)?)?)),
    operator(op::MASK_BIAS, (1, 1), &[], |a| mask(Mask::bias(&a.tensor(0)?)?)),
    operator(op::MASK_ALIBI, (0, 0), &[COUNT], |a| mask(Mask::alibi(mask::alibi_slopes(a.attributes.size(COUNT)?)))),
];
