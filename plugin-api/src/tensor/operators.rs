//! Operators: `a + b`, `x * 2.0`, `1.0 - x`, `-x`, `chosen & real`, `!chosen`.
//!
//! Tensors broadcast as in NumPy. A number is applied in the tensor's own type; dividing by a number multiplies by its
//! reciprocal.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};
use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, binary, unary};
use crate::raw::Attr;
use crate::weight::{Buffer, Weight};

macro_rules! between_tensors {
    ($($left:ty),*: $($operator:ident $method:ident $number:ident;)*) => {
        between_tensors!(@each [$($left),*] [$($operator $method $number;)*]);
    };
    (@each [$($left:ty),*] $rows:tt) => {$( between_tensors!(@one $left, $rows); )*};
    (@one $left:ty, [$($operator:ident $method:ident $number:ident;)*]) => {$(
        impl<R: AsTensor> $operator<R> for $left {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: R) -> Tensor {
                binary(op::$number, &self, &right, &[], Location::caller())
            }
        }
    )*};
}
between_tensors! {
    Tensor, &Tensor, &Weight, &Buffer:
    Add add ADD; Sub sub SUB; Mul mul MUL; Div div DIV;
    BitAnd bitand AND; BitOr bitor OR; BitXor bitxor XOR;
}

// Subtraction is addition of the opposite, and division multiplication by the reciprocal: one operation each.
macro_rules! with_numbers {
    ($($left:ty),*) => {$(
        impl Add<f64> for $left {
            type Output = Tensor;
            #[track_caller]
            fn add(self, right: f64) -> Tensor {
                unary(op::ADD_SCALAR, &self, &[Attr::Float(key::VALUE, right)], Location::caller())
            }
        }
        impl Sub<f64> for $left {
            type Output = Tensor;
            #[track_caller]
            fn sub(self, right: f64) -> Tensor {
                unary(op::ADD_SCALAR, &self, &[Attr::Float(key::VALUE, -right)], Location::caller())
            }
        }
        impl Mul<f64> for $left {
            type Output = Tensor;
            #[track_caller]
            fn mul(self, right: f64) -> Tensor {
                unary(op::MUL_SCALAR, &self, &[Attr::Float(key::VALUE, right)], Location::caller())
            }
        }
        impl Div<f64> for $left {
            type Output = Tensor;
            #[track_caller]
            fn div(self, right: f64) -> Tensor {
                unary(op::MUL_SCALAR, &self, &[Attr::Float(key::VALUE, 1.0 / right)], Location::caller())
            }
        }
        impl Add<$left> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn add(self, right: $left) -> Tensor {
                right + self
            }
        }
        impl Mul<$left> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn mul(self, right: $left) -> Tensor {
                right * self
            }
        }
        impl Sub<$left> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn sub(self, right: $left) -> Tensor {
                -right + self
            }
        }
        impl Div<$left> for f64 {
            type Output = Tensor;
            #[track_caller]
            #[allow(clippy::suspicious_arithmetic_impl, reason = "as said above")]
            fn div(self, right: $left) -> Tensor {
                unary(op::RECIPROCAL, &right, &[], Location::caller()) * self
            }
        }
        impl Neg for $left {
            type Output = Tensor;
            #[track_caller]
            fn neg(self) -> Tensor {
                unary(op::NEG, &self, &[], Location::caller())
            }
        }
    )*};
}
with_numbers! { Tensor, &Tensor, &Weight, &Buffer }

impl Not for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        unary(op::NOT, &self, &[], Location::caller())
    }
}

impl Not for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn not(self) -> Tensor {
        unary(op::NOT, self, &[], Location::caller())
    }
}
