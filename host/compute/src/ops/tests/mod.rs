//! Every plain operation against finite differences, from one table; and what the table can't hold.
#![allow(clippy::unwrap_used, reason = "tests")]

mod faults;
mod table;
mod tape;
mod values;

use crate::testing::device;
use crate::{DType, Tensor, Value};

/// A constant from numbers of any element type.
fn tensor<T: candle_core::WithDType>(numbers: &[T], shape: &[usize]) -> Tensor {
    Tensor::from_slice(numbers, shape, &device()).unwrap()
}

fn truth(numbers: &[u8], shape: &[usize]) -> Value {
    Value::from_slice(numbers, shape, &device()).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    crate::testing::numbers(x.value())
}

fn f64s(numbers: &[f64], shape: &[usize]) -> Value {
    Value::from_slice(numbers, shape, &device()).unwrap()
}

const FLOATS: [DType; 2] = [DType::BF16, DType::F16];
