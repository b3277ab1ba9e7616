//! Reductions. `keep` leaves an axis of length 1 where one was reduced.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{Tensor, unary};
use crate::raw::Attr;

macro_rules! over_axis {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, axis: i64, keep: bool) -> Self {
                let attributes = [Attr::Integer(key::AXIS, axis), Attr::Integer(key::KEEP, i64::from(keep))];
                unary(op::$number, self, &attributes, Location::caller())
            }
        )*}
    };
}

over_axis! {
    /// The largest along an axis; of equals the first gets the gradient.
    max MAX;
    /// The smallest along an axis.
    min MIN;
    /// The product along an axis.
    prod PROD;
    /// ln Σ e^x along an axis, without overflow.
    logsumexp LOGSUMEXP;
}

macro_rules! over_axes {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, axes: &[i64], keep: bool) -> Self {
                let attributes = [Attr::Integers(key::AXES, axes), Attr::Integer(key::KEEP, i64::from(keep))];
                unary(op::$number, self, &attributes, Location::caller())
            }
        )*}
    };
}

over_axes! {
    /// The sum along some axes.
    sum_axes SUM;
    /// The mean along some axes.
    mean_axes MEAN;
    /// The Euclidean length along some axes; gradient 0 at 0.
    norm NORM;
}

impl Tensor {
    /// The sum of all elements, a scalar.
    #[track_caller]
    #[must_use]
    pub fn sum(&self) -> Self {
        unary(op::SUM, self, &[], Location::caller())
    }

    /// The mean of all elements, a scalar.
    #[track_caller]
    #[must_use]
    pub fn mean(&self) -> Self {
        unary(op::MEAN, self, &[], Location::caller())
    }

    /// The variance along some axes; `unbiased` divides by the count less one.
    #[track_caller]
    #[must_use]
    pub fn variance(&self, axes: &[i64], keep: bool, unbiased: bool) -> Self {
        unary(op::VARIANCE, self, &spread(axes, keep, unbiased), Location::caller())
    }

    /// The standard deviation along some axes; `unbiased` divides by the count less one.
    #[track_caller]
    #[must_use]
    pub fn std(&self, axes: &[i64], keep: bool, unbiased: bool) -> Self {
        unary(op::STD, self, &spread(axes, keep, unbiased), Location::caller())
    }

    /// Running sums along an axis.
    #[track_caller]
    #[must_use]
    pub fn cumsum(&self, axis: i64) -> Self {
        unary(op::CUMSUM, self, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }

    /// Where the largest is along an axis, `u32`; of equals the first.
    #[track_caller]
    #[must_use]
    pub fn argmax(&self, axis: i64) -> Self {
        unary(op::ARGMAX, self, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }

    /// Where the smallest is along an axis, `u32`; of equals the first.
    #[track_caller]
    #[must_use]
    pub fn argmin(&self, axis: i64) -> Self {
        unary(op::ARGMIN, self, &[Attr::Integer(key::AXIS, axis)], Location::caller())
    }
}

fn spread(axes: &[i64], keep: bool, unbiased: bool) -> [Attr<'_>; 3] {
    [
        Attr::Integers(key::AXES, axes),
        Attr::Integer(key::KEEP, i64::from(keep)),
        Attr::Integer(key::UNBIASED, i64::from(unbiased)),
    ]
}
