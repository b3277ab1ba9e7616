//! Rows and elements by number; sorting. Numbers are `u32` or `i64`.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, binary, integer, unary};
use crate::raw::{self, Attr, HostObject, one};

macro_rules! three {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, axis: i64, ids: impl AsTensor, source: impl AsTensor) -> Self {
                let inputs = [Some(self.object()), Some(ids.object()), Some(source.object())];
                Self::from_object(one(op::$number, &inputs, &[Attr::Integer(key::AXIS, axis)], Location::caller()))
            }
        )*}
    };
}

three! {
    /// This tensor with the elements of `source` put at `ids` of an axis, shapes as in [`Tensor::gather`].
    scatter SCATTER;
    /// This tensor with the elements of `source` added at `ids` of an axis, shapes as in [`Tensor::gather`].
    scatter_add SCATTER_ADD;
    /// This tensor with whole slices of `source` added at `ids` `[k]` of an axis.
    index_add INDEX_ADD;
}

impl Tensor {
    /// Whole slices of an axis: of rows `[n, d]` and `ids` `[c]` at axis 0, `[c, d]`.
    #[track_caller]
    #[must_use]
    pub fn index_select(&self, axis: i64, ids: impl AsTensor) -> Self {
        binary(op::INDEX_SELECT, self, &ids, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }

    /// One element of the axis for each element of `ids`, which has the rank of this tensor.
    #[track_caller]
    #[must_use]
    pub fn gather(&self, axis: i64, ids: impl AsTensor) -> Self {
        binary(op::GATHER, self, &ids, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }

    /// The rows where `chosen` (truth values on the leading axes). Waits for the device; row numbers made in collation
    /// and [`Tensor::index_select`] do not.
    #[track_caller]
    #[must_use]
    pub fn masked_select(&self, chosen: impl AsTensor) -> Self {
        binary(op::MASKED_SELECT, self, &chosen, &[], Location::caller())
    }

    /// Of ids `[..]`: `f32` `[.., classes]`, 1 at the id.
    #[track_caller]
    #[must_use]
    pub fn one_hot(&self, classes: usize) -> Self {
        unary(op::ONE_HOT, self, &[Attr::Integer(key::CLASSES, integer(classes))], Location::caller())
    }

    /// Values and their `u32` places along the last axis, smallest first unless `descending`; equals keep their order.
    #[track_caller]
    #[must_use]
    pub fn sort(&self, descending: bool) -> (Self, Self) {
        let attributes = [Attr::Integer(key::DESCENDING, i64::from(descending))];
        let [values, indices] = raw::op(op::SORT, &[Some(self.object())], &attributes, Location::caller());
        (Self::from_object(values), Self::from_object(indices))
    }

    /// The `count` largest values and their `u32` places along the last axis, largest first.
    #[track_caller]
    #[must_use]
    pub fn top_k(&self, count: usize) -> (Self, Self) {
        let attributes = [Attr::Integer(key::COUNT, integer(count))];
        let [values, indices] = raw::op(op::TOP_K, &[Some(self.object())], &attributes, Location::caller());
        (Self::from_object(values), Self::from_object(indices))
    }

    /// Of truth values `[n]`: the `i64` numbers of the true ones. Waits for the device.
    #[track_caller]
    #[must_use]
    pub fn nonzero(&self) -> Self {
        unary(op::NONZERO, self, &[], Location::caller())
    }
}
