//! Layouts: which token rows belong together.
//!
//! Models compute on rows: tokens `[n]`, hidden `[n, d]`, without padding. A layout says where segments (a sentence, a
//! document in a packed sample) begin, which positions rows have, and which key their random draws get.

use std::fmt;
use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use crate::raw::{Attr, HostObject, Object, one};
use crate::tensor::{AsTensor, Tensor, binary, unary};

/// The segments of n rows, held by the host. b is the number of segments.
#[derive(Clone)]
pub struct Layout(Object);

impl HostObject for Layout {
    fn object(&self) -> &Object {
        &self.0
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layout(…)")
    }
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        impl Layout {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self) -> Tensor {
                unary(op::$number, self, &[], Location::caller())
            }
        )*}
    };
}

questions! {
    /// The position of each row, `u32` `[n]`, from 0 in each segment.
    positions LAYOUT_POSITIONS;
    /// The number of rows of each segment, `u32` `[b]`.
    lengths LAYOUT_LENGTHS;
    /// Where the padded form `[b, t]` has a row.
    real LAYOUT_REAL;
    /// The segment of each row, `u32` `[n]`.
    segments LAYOUT_SEGMENTS;
    /// The first row of each segment, `u32` `[b]`.
    first_rows FIRST_ROWS;
    /// The last row of each segment, `u32` `[b]`.
    last_rows LAST_ROWS;
}

impl Layout {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// Segments of the given lengths, `u32` `[b]`, whose draws go by the segment's number in the batch.
    #[track_caller]
    #[must_use]
    pub fn new(lengths: &Tensor) -> Self {
        let attributes = [Attr::Integer(key::MODE, 0)];
        Self(one(op::LAYOUT_NEW, &[Some(lengths.object())], &attributes, Location::caller()))
    }

    /// Segments of the given lengths, whose draws go by `keys` (integers `[b]`): the same key, the same draws, whatever
    /// else is in the batch.
    #[track_caller]
    #[must_use]
    pub fn with_keys(lengths: &Tensor, keys: &Tensor) -> Self {
        let attributes = [Attr::Integer(key::MODE, 1)];
        Self(one(op::LAYOUT_NEW, &[Some(lengths.object()), Some(keys.object())], &attributes, Location::caller()))
    }

    /// Rows `[n, ..]` with `value` where a segment is shorter than the longest: `[b, t, ..]`.
    #[track_caller]
    #[must_use]
    pub fn pad(&self, rows: impl AsTensor, value: f64) -> Tensor {
        binary(op::LAYOUT_PAD, &rows, self, &[Attr::Float(key::VALUE, value)], Location::caller())
    }

    /// The rows `[n, ..]` of `[b, t, ..]`.
    #[track_caller]
    #[must_use]
    pub fn rows(&self, padded: impl AsTensor) -> Tensor {
        binary(op::LAYOUT_ROWS, &padded, self, &[], Location::caller())
    }

    /// The mean of each segment's rows: `[b, ..]`.
    #[track_caller]
    #[must_use]
    pub fn mean(&self, rows: impl AsTensor) -> Tensor {
        binary(op::SEGMENT_MEAN, &rows, self, &[], Location::caller())
    }

    /// The sum of each segment's rows: `[b, ..]`.
    #[track_caller]
    #[must_use]
    pub fn sum(&self, rows: impl AsTensor) -> Tensor {
        binary(op::SEGMENT_SUM, &rows, self, &[], Location::caller())
    }
}
