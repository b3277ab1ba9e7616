//! Shapes: the same elements, arranged otherwise; parts; joining.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, integer, integers, unary};
use crate::raw::{Attr, one};

impl Tensor {
    /// The same elements in another shape; one length may be −1 and follows from the others.
    #[track_caller]
    #[must_use]
    pub fn reshape(&self, shape: &[i64]) -> Self {
        unary(op::RESHAPE, self, &[Attr::Integers(key::SHAPE, shape)], Location::caller())
    }

    /// Two axes exchanged.
    #[track_caller]
    #[must_use]
    pub fn transpose(&self, first: i64, second: i64) -> Self {
        unary(op::TRANSPOSE, self, &[Attr::Integers(key::AXES, &[first, second])], Location::caller())
    }

    /// All axes in another order: axis `i` of the result is axis `axes[i]`.
    #[track_caller]
    #[must_use]
    pub fn permute(&self, axes: &[i64]) -> Self {
        unary(op::PERMUTE, self, &[Attr::Integers(key::AXES, axes)], Location::caller())
    }

    /// A new axis of length 1.
    #[track_caller]
    #[must_use]
    pub fn unsqueeze(&self, axis: i64) -> Self {
        unary(op::UNSQUEEZE, self, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }

    /// Without an axis of length 1.
    #[track_caller]
    #[must_use]
    pub fn squeeze(&self, axis: i64) -> Self {
        unary(op::SQUEEZE, self, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }

    /// Axes of length 1 repeated without a copy until the shape fits.
    #[track_caller]
    #[must_use]
    pub fn expand(&self, shape: &[usize]) -> Self {
        unary(op::EXPAND, self, &[Attr::Integers(key::SHAPE, &integers(shape))], Location::caller())
    }

    /// `length` elements of an axis, from `start`.
    #[track_caller]
    #[must_use]
    pub fn narrow(&self, axis: i64, start: usize, length: usize) -> Self {
        let attributes = [
            Attr::Integer(key::AXIS, axis),
            Attr::Integer(key::START, integer(start)),
            Attr::Integer(key::LENGTH, integer(length)),
        ];
        unary(op::NARROW, self, &attributes, Location::caller())
    }

    /// Every `step`-th element of an axis from `start` up to, but without, `end`; negative ones count from the back.
    #[track_caller]
    #[must_use]
    pub fn slice(&self, axis: i64, start: i64, end: i64, step: i64) -> Self {
        let attributes = [
            Attr::Integer(key::AXIS, axis),
            Attr::Integer(key::START, start),
            Attr::Integer(key::LENGTH, end),
            Attr::Integer(key::STEP, step),
        ];
        unary(op::SLICE, self, &attributes, Location::caller())
    }

    /// One after the other along an axis; all other lengths equal.
    #[track_caller]
    #[must_use]
    pub fn cat<T: AsTensor>(tensors: &[T], axis: i64) -> Self {
        many(op::CAT, tensors, axis, Location::caller())
    }

    /// On a new axis; all shapes equal.
    #[track_caller]
    #[must_use]
    pub fn stack<T: AsTensor>(tensors: &[T], axis: i64) -> Self {
        many(op::STACK, tensors, axis, Location::caller())
    }

    /// Some axes in the opposite order.
    #[track_caller]
    #[must_use]
    pub fn flip(&self, axes: &[i64]) -> Self {
        unary(op::FLIP, self, &[Attr::Integers(key::AXES, axes)], Location::caller())
    }

    /// An axis shifted to the right by `shift`; what leaves comes in at the other end.
    #[track_caller]
    #[must_use]
    pub fn roll(&self, axis: i64, shift: i64) -> Self {
        let attributes = [Attr::Integer(key::AXIS, axis), Attr::Integer(key::START, shift)];
        unary(op::ROLL, self, &attributes, Location::caller())
    }

    /// `left` and `right` elements of `value` added to an axis.
    #[track_caller]
    #[must_use]
    pub fn pad(&self, axis: i64, left: usize, right: usize, value: f64) -> Self {
        let attributes = [
            Attr::Integer(key::AXIS, axis),
            Attr::Integer(key::LEFT, integer(left)),
            Attr::Integer(key::RIGHT, integer(right)),
            Attr::Float(key::VALUE, value),
        ];
        unary(op::PAD, self, &attributes, Location::caller())
    }

    /// Every axis repeated as a whole, `repeats` times each.
    #[track_caller]
    #[must_use]
    pub fn repeat(&self, repeats: &[usize]) -> Self {
        unary(op::REPEAT, self, &[Attr::Integers(key::SHAPE, &integers(repeats))], Location::caller())
    }

    /// The lower triangle of the last two axes, up to `diagonal`; 0 elsewhere.
    #[track_caller]
    #[must_use]
    pub fn tril(&self, diagonal: i64) -> Self {
        unary(op::TRIL, self, &[Attr::Integer(key::START, diagonal)], Location::caller())
    }

    /// The upper triangle of the last two axes, from `diagonal`; 0 elsewhere.
    #[track_caller]
    #[must_use]
    pub fn triu(&self, diagonal: i64) -> Self {
        unary(op::TRIU, self, &[Attr::Integer(key::START, diagonal)], Location::caller())
    }

    /// The elements one after the other in memory.
    #[track_caller]
    #[must_use]
    pub fn contiguous(&self) -> Self {
        unary(op::CONTIGUOUS, self, &[], Location::caller())
    }

    /// Windows of `size` elements of an axis, `step` apart, on a new last axis.
    #[track_caller]
    #[must_use]
    pub fn unfold(&self, axis: i64, size: usize, step: usize) -> Self {
        let attributes = [
            Attr::Integer(key::AXIS, axis),
            Attr::Integer(key::LENGTH, integer(size)),
            Attr::Integer(key::STEP, integer(step)),
        ];
        unary(op::UNFOLD, self, &attributes, Location::caller())
    }
}

fn many<T: AsTensor>(number: u32, tensors: &[T], axis: i64, at: &'static Location<'static>) -> Tensor {
    let inputs: Vec<_> = tensors.iter().map(|tensor| Some(tensor.object())).collect();
    Tensor::from_object(one(number, &inputs, &[Attr::Integer(key::AXIS, axis)], at))
}
