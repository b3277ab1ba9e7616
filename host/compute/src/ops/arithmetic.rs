//! Sums, products and the larger or smaller of two tensors, with broadcasting.

use super::elementwise::{Elementwise, apply};
use crate::kernel::{Arithmetic, Real, arithmetic, broadcast_shape, by_real, negated, on_cpu, same_dtype, zip};
use crate::tape::{require_float, unbroadcast};
use crate::{DType, Error, Result, Tensor, Value};

/// Checks dtypes and shapes of a binary operation; gives the shape of the result.
fn prepare(name: &'static str, a: &Tensor, b: &Tensor) -> Result<Vec<usize>> {
    same_dtype(name, a, b)?;
    if a.dtype() == DType::Bool {
        return Err(
            Error::dtype(name, DType::Bool).with_help("use `logical_and`, `logical_or`, `logical_xor`, or cast first")
        );
    }
    broadcast_shape(name, a.dims(), b.dims())
}

/// `gradient` summed to `shape` when it is needed.
fn back(needed: bool, gradient: impl FnOnce() -> Result<Value>, shape: &[usize]) -> Result<Option<Value>> {
    if needed { Ok(Some(unbroadcast(&gradient()?, shape)?)) } else { Ok(None) }
}

/// a + b.
///
/// # Errors
/// When dtypes differ or shapes do not broadcast.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    prepare("add", a, b)?;
    let value = arithmetic(Arithmetic::Add, a.value(), b.value())?;
    let (a_shape, b_shape) = (a.dims().to_vec(), b.dims().to_vec());
    Ok(Tensor::from_op("add", value, &[a, b], move |gradient, needs| {
        let same = || Ok(gradient.clone());
        Ok(vec![back(needs[0], same, &a_shape)?, back(needs[1], same, &b_shape)?])
    }))
}

/// a - b.
///
/// # Errors
/// When dtypes differ or shapes do not broadcast.
pub fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    prepare("sub", a, b)?;
    let value = arithmetic(Arithmetic::Sub, a.value(), b.value())?;
    let (a_shape, b_shape) = (a.dims().to_vec(), b.dims().to_vec());
    Ok(Tensor::from_op("sub", value, &[a, b], move |gradient, needs| {
        let gradient_b = if needs[1] { Some(negated(&unbroadcast(gradient, &b_shape)?)?) } else { None };
        Ok(vec![back(needs[0], || Ok(gradient.clone()), &a_shape)?, gradient_b])
    }))
}

/// a · b, elementwise.
///
/// # Errors
/// When dtypes differ or shapes do not broadcast.
pub fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    prepare("mul", a, b)?;
    let value = arithmetic(Arithmetic::Mul, a.value(), b.value())?;
    let (a_kept, b_kept) = (a.value().clone(), b.value().clone());
    Ok(Tensor::from_op("mul", value, &[a, b], move |gradient, needs| {
        Ok(vec![
            back(needs[0], || arithmetic(Arithmetic::Mul, gradient, &b_kept), a_kept.dims())?,
            back(needs[1], || arithmetic(Arithmetic::Mul, gradient, &a_kept), b_kept.dims())?,
        ])
    }))
}

/// a / b, elementwise; integers divide towards 0.
///
/// # Errors
/// When dtypes differ, shapes do not broadcast, or an integer is divided by 0.
pub fn div(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    prepare("div", a, b)?;
    if !b.dtype().is_float()
        && b.value().eq(0u8)?.to_dtype(candle_core::DType::F64)?.sum_all()?.to_scalar::<f64>()? > 0.0
    {
        return Err(Error::argument("div", "an integer is divided by 0"));
    }
    let value = arithmetic(Arithmetic::Div, a.value(), b.value())?;
    let (a_shape, b_kept, quotient) = (a.dims().to_vec(), b.value().clone(), value.clone());
    Ok(Tensor::from_op("div", value, &[a, b], move |gradient, needs| {
        let by_b = arithmetic(Arithmetic::Div, gradient, &b_kept)?;
        let gradient_b = back(needs[1], || negated(&arithmetic(Arithmetic::Mul, &by_b, &quotient)?), b_kept.dims())?;
        Ok(vec![back(needs[0], || Ok(by_b.clone()), &a_shape)?, gradient_b])
    }))
}

#[derive(Clone, Copy)]
struct Affine(f64, f64);

impl Elementwise for Affine {
    const SLOPE_OF_OUTPUT: bool = true;
    #[inline]
    fn value<T: Real>(self, x: T) -> T {
        x * T::of(self.0) + T::of(self.1)
    }
    #[inline]
    fn slope<T: Real>(self, _y: T) -> T {
        T::of(self.0)
    }
    fn on_device(self, x: &Value) -> Option<candle_core::Result<Value>> {
        Some(x.affine(self.0, self.1))
    }
}

/// x + `number`; integer tensors take whole numbers.
///
/// # Errors
/// When `x` is bool, or an integer tensor and the result is no number of its dtype.
pub fn add_scalar(x: &Tensor, number: f64) -> Result<Tensor> {
    if x.dtype().is_float() {
        return apply("add_scalar", x, Affine(1.0, number));
    }
    integer_affine("add_scalar", x, 1.0, number)
}

/// x · `number`; integer tensors take whole numbers.
///
/// # Errors
/// When `x` is bool, or an integer tensor and the result is no number of its dtype.
pub fn mul_scalar(x: &Tensor, number: f64) -> Result<Tensor> {
    if x.dtype().is_float() {
        return apply("mul_scalar", x, Affine(number, 0.0));
    }
    integer_affine("mul_scalar", x, number, 0.0)
}

fn integer_affine(name: &'static str, x: &Tensor, factor: f64, summand: f64) -> Result<Tensor> {
    if x.dtype() == DType::Bool {
        return Err(Error::dtype(name, DType::Bool).with_help("cast it to a number type first"));
    }
    if factor.fract() != 0.0 || summand.fract() != 0.0 {
        let fact = format!(
            "{} is an integer type and {} no whole number",
            x.dtype(),
            if factor == 1.0 { summand } else { factor }
        );
        return Err(Error::argument(name, fact));
    }
    let (factor, summand) = (factor as i64, summand as i64);
    let numbers: Vec<i64> = x.value().to_dtype(candle_core::DType::I64)?.flatten_all()?.to_vec1()?;
    let highest = match x.dtype() {
        DType::U8 => i64::from(u8::MAX),
        DType::U32 => i64::from(u32::MAX),
        _ => i64::MAX,
    };
    let lowest = if x.dtype() == DType::I64 { i64::MIN } else { 0 };
    let results: Vec<i64> = numbers
        .into_iter()
        .map(|number| {
            let result = number.checked_mul(factor).and_then(|product| product.checked_add(summand));
            result
                .filter(|result| (lowest..=highest).contains(result))
                .ok_or_else(|| Error::argument(name, format!("the result of {number} leaves {}", x.dtype())))
        })
        .collect::<Result<_>>()?;
    let value = Value::from_vec(results, x.dims(), x.device())?.to_dtype(x.dtype().candle())?;
    Ok(Tensor::from_op_constant(value, false))
}

/// The larger of a and b, elementwise; NaN where either is. At ties each gets half of the gradient.
///
/// # Errors
/// When dtypes differ, are no floats, or shapes do not broadcast.
pub fn maximum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    extreme("maximum", a, b, 1.0)
}

/// The smaller of a and b, elementwise; NaN where either is. At ties each gets half of the gradient.
///
/// # Errors
/// When dtypes differ, are no floats, or shapes do not broadcast.
pub fn minimum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    extreme("minimum", a, b, -1.0)
}

/// 1 where a is the one taken, a half at ties, 0 where b is; `side` 1 takes the larger. NaN takes the gradient.
#[inline]
fn share<T: Real>(a: T, b: T, side: T) -> T {
    let difference = (a - b) * side;
    if a == b {
        T::of(0.5)
    } else if difference > T::zero() || a.is_nan() {
        T::one()
    } else {
        T::zero()
    }
}

fn extreme(name: &'static str, a: &Tensor, b: &Tensor, side: f64) -> Result<Tensor> {
    require_float(name, a)?;
    let shape = prepare(name, a, b)?;
    let (wide_a, wide_b) = (a.value().broadcast_as(shape.as_slice())?, b.value().broadcast_as(shape.as_slice())?);
    let value = on_cpu(&[&wide_a, &wide_b], |v| {
        by_real!(v[0].dtype(), T => zip::<T>(&v[0], &v[1], |a, b| {
            if a.is_nan() || share(a, b, T::of(side)) == 1.0 { a } else { b }
        }))
    })?;
    let (a_shape, b_shape) = (a.dims().to_vec(), b.dims().to_vec());
    Ok(Tensor::from_op(name, value, &[a, b], move |gradient, needs| {
        let share = on_cpu(
            &[&wide_a, &wide_b],
            |v| by_real!(v[0].dtype(), T => zip::<T>(&v[0], &v[1], |a, b| share(a, b, T::of(side)))),
        )?;
        let gradient_a = arithmetic(Arithmetic::Mul, gradient, &share)?;
        let gradient_b = back(needs[1], || arithmetic(Arithmetic::Sub, gradient, &gradient_a), &b_shape)?;
        Ok(vec![back(needs[0], || Ok(gradient_a.clone()), &a_shape)?, gradient_b])
    }))
}
