//! Tensors from nothing.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{Tensor, integer, integers};
use crate::dtype::{DType, Element};
use crate::raw::{Attr, one, values};

impl Tensor {
    /// A constant of `data`, row by row. Poisoned when the lengths do not multiply to the number of elements.
    #[track_caller]
    #[must_use]
    pub fn new<T: Element>(data: &[T], dims: &[usize]) -> Self {
        Self::from_object(values::make(data, dims, Location::caller()))
    }

    /// A constant scalar.
    #[track_caller]
    #[must_use]
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_object(values::make(&[value], &[], Location::caller()))
    }

    /// One value everywhere.
    #[track_caller]
    #[must_use]
    pub fn full(dims: &[usize], value: f64, dtype: DType) -> Self {
        full(dims, value, dtype, Location::caller())
    }

    /// 0 everywhere, `f32`.
    #[track_caller]
    #[must_use]
    pub fn zeros(dims: &[usize]) -> Self {
        full(dims, 0.0, DType::F32, Location::caller())
    }

    /// 1 everywhere, `f32`.
    #[track_caller]
    #[must_use]
    pub fn ones(dims: &[usize]) -> Self {
        full(dims, 1.0, DType::F32, Location::caller())
    }

    /// `start`, `start + 1`, …: `length` of them.
    #[track_caller]
    #[must_use]
    pub fn arange(start: i64, length: usize, dtype: DType) -> Self {
        let attributes = [
            Attr::Integer(key::START, start),
            Attr::Integer(key::LENGTH, integer(length)),
            Attr::Integer(key::DTYPE, i64::from(dtype.number())),
        ];
        Self::from_object(one(op::ARANGE, &[], &attributes, Location::caller()))
    }
}

fn full(dims: &[usize], value: f64, dtype: DType, at: &'static Location<'static>) -> Tensor {
    let shape = integers(dims);
    let attributes = [
        Attr::Integers(key::SHAPE, &shape),
        Attr::Float(key::VALUE, value),
        Attr::Integer(key::DTYPE, i64::from(dtype.number())),
    ];
    Tensor::from_object(one(op::FULL, &[], &attributes, at))
}
