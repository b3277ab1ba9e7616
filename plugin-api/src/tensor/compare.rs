//! Comparisons and choices. Results of comparisons are truth values and carry no gradient.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, binary, unary};
use crate::raw::{Attr, HostObject, one};

/// The right side of a comparison: a tensor (broadcast), or a number.
pub trait Comparand {
    #[doc(hidden)]
    fn compare(&self, left: &Tensor, numbers: [u32; 2], at: &'static Location<'static>) -> Tensor;
}

impl<T: AsTensor> Comparand for T {
    fn compare(&self, left: &Tensor, [between, _]: [u32; 2], at: &'static Location<'static>) -> Tensor {
        binary(between, left, self, &[], at)
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Comparand for $number {
            fn compare(&self, left: &Tensor, [_, scalar]: [u32; 2], at: &'static Location<'static>) -> Tensor {
                unary(scalar, left, &[Attr::Float(key::VALUE, f64::from(*self))], at)
            }
        }
    )*};
}
numbers! { f64 u32 i32 }

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $between:ident $scalar:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, other: impl Comparand) -> Self {
                other.compare(self, [op::$between, op::$scalar], Location::caller())
            }
        )*}
    };
}

comparisons! {
    /// Where equal. Integers of different types compare by value.
    eq EQ EQ_SCALAR;
    /// Where smaller.
    lt LT LT_SCALAR;
    /// Where smaller or equal.
    le LE LE_SCALAR;
    /// Where larger.
    gt GT GT_SCALAR;
    /// Where larger or equal.
    ge GE GE_SCALAR;
}

impl Tensor {
    /// Where different; `!x.eq(…)` for numbers.
    #[track_caller]
    #[must_use]
    pub fn ne(&self, other: impl AsTensor) -> Self {
        binary(op::NE, self, &other, &[], Location::caller())
    }

    /// Of truth values: `yes` where true, `no` elsewhere, broadcast.
    #[track_caller]
    #[must_use]
    pub fn choose(&self, yes: impl AsTensor, no: impl AsTensor) -> Self {
        let inputs = [Some(self.object()), Some(yes.object()), Some(no.object())];
        Self::from_object(one(op::WHERE, &inputs, &[], Location::caller()))
    }

    /// `value` where `chosen`, the element itself elsewhere.
    #[track_caller]
    #[must_use]
    pub fn fill_where(&self, chosen: impl AsTensor, value: impl Into<f64>) -> Self {
        binary(op::FILL_WHERE, self, &chosen, &[Attr::Float(key::VALUE, value.into())], Location::caller())
    }

    /// The elements of `other` where `chosen`, its own elsewhere, broadcast.
    #[track_caller]
    #[must_use]
    pub fn take_where(&self, chosen: impl AsTensor, other: impl AsTensor) -> Self {
        let inputs = [Some(chosen.object()), Some(other.object()), Some(self.object())];
        Self::from_object(one(op::WHERE, &inputs, &[], Location::caller()))
    }

    /// Where neither infinite nor NaN.
    #[track_caller]
    #[must_use]
    pub fn is_finite(&self) -> Self {
        unary(op::IS_FINITE, self, &[], Location::caller())
    }

    /// Whether any is true, a scalar.
    #[track_caller]
    #[must_use]
    pub fn any(&self) -> Self {
        unary(op::ANY, self, &[], Location::caller())
    }

    /// Whether all are true, a scalar.
    #[track_caller]
    #[must_use]
    pub fn all(&self) -> Self {
        unary(op::ALL, self, &[], Location::caller())
    }

    /// How many are true, an `f32` scalar.
    #[track_caller]
    #[must_use]
    pub fn count_true(&self) -> Self {
        unary(op::COUNT_TRUE, self, &[], Location::caller())
    }
}
