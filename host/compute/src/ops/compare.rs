//! Comparisons, truth values and choices by them.
//!
//! Results of comparisons are bool constants. A comparison with NaN is false, `ne` is true.

use super::reduce::arrange;
use crate::kernel::{Blocks, broadcast_shape, lines, same_dtype, value_of, with_slice};
use crate::tape::unbroadcast;
use crate::{DType, Device, Error, Result, Tensor, Value};

type Compare = fn(&Value, &Value) -> candle_core::Result<Value>;

fn compare(name: &'static str, a: &Tensor, b: &Tensor, with: Compare) -> Result<Tensor> {
    // Token ids are u32 where they are looked up and i64 where they are labels; i64 holds both exactly.
    let ids = |x: &Tensor| matches!(x.dtype(), DType::U32 | DType::I64);
    if a.dtype() != b.dtype() && ids(a) && ids(b) {
        let wide = |x: &Tensor| x.value().to_dtype(candle_core::DType::I64).map(Tensor::constant);
        return compare(name, &wide(a)?, &wide(b)?, with);
    }
    same_dtype(name, a, b)?;
    let shape = broadcast_shape(name, a.dims(), b.dims())?;
    let (a, b) = (a.value().broadcast_as(shape.as_slice())?, b.value().broadcast_as(shape.as_slice())?);
    Ok(Tensor::from_op_constant(with(&a, &b)?, true))
}

fn compare_scalar(name: &'static str, x: &Tensor, number: f64, with: Compare) -> Result<Tensor> {
    // Integers are compared as f64: a negative or broken number has no u32 of its own.
    let value = if x.dtype().is_float() { x.value().clone() } else { x.value().to_dtype(candle_core::DType::F64)? };
    let scalar = Value::full(number, (), value.device())?.to_dtype(value.dtype())?;
    compare(name, &Tensor::constant(value), &Tensor::constant(scalar), with)
}

macro_rules! comparison {
    ($name:ident, $scalar:ident, $method:ident, $sign:literal) => {
        #[doc = concat!("Where a ", $sign, " b, with broadcasting: bool.")]
        ///
        /// # Errors
        /// When dtypes differ (u32 and i64 may meet) or shapes do not broadcast.
        pub fn $name(a: &Tensor, b: &Tensor) -> Result<Tensor> {
            compare(stringify!($name), a, b, |a, b| a.$method(b))
        }

        #[doc = concat!("Where x ", $sign, " `number`: bool. Floats compare in their own dtype.")]
        ///
        /// # Errors
        /// When the device fails.
        pub fn $scalar(x: &Tensor, number: f64) -> Result<Tensor> {
            compare_scalar(stringify!($scalar), x, number, |a, b| a.$method(b))
        }
    };
}

comparison!(eq, eq_scalar, eq, "=");
comparison!(ne, ne_scalar, ne, "≠");
comparison!(lt, lt_scalar, lt, "<");
comparison!(le, le_scalar, le, "≤");
comparison!(gt, gt_scalar, gt, ">");
comparison!(ge, ge_scalar, ge, "≥");

fn require_bool(name: &'static str, x: &Tensor) -> Result<()> {
    if x.dtype() == DType::Bool {
        return Ok(());
    }
    Err(Error::dtype(name, x.dtype()).with_help("it takes bool: compare first, `ne_scalar(x, 0.0)`"))
}

/// a and b, with broadcasting.
///
/// # Errors
/// When either is not bool or shapes do not broadcast.
pub fn logical_and(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    require_bool("logical_and", a)?;
    compare("logical_and", a, b, |a, b| a.minimum(b))
}

/// a or b (or both), with broadcasting.
///
/// # Errors
/// When either is not bool or shapes do not broadcast.
pub fn logical_or(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    require_bool("logical_or", a)?;
    compare("logical_or", a, b, |a, b| a.maximum(b))
}

/// Either a or b, not both, with broadcasting.
///
/// # Errors
/// When either is not bool or shapes do not broadcast.
pub fn logical_xor(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    require_bool("logical_xor", a)?;
    compare("logical_xor", a, b, |a, b| a.ne(b))
}

/// Not x.
///
/// # Errors
/// When `x` is not bool.
pub fn logical_not(x: &Tensor) -> Result<Tensor> {
    require_bool("logical_not", x)?;
    Ok(Tensor::from_op_constant(x.value().eq(0u8)?, true))
}

/// Where x is neither NaN nor infinite: bool. Integers always are.
///
/// # Errors
/// When the device fails.
pub fn is_finite(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Ok(Tensor::truth(Value::ones(x.dims(), candle_core::DType::U8, x.device())?));
    }
    // The difference with itself is 0 for finite numbers, NaN for all others.
    compare_scalar("is_finite", &Tensor::constant((x.value() - x.value())?), 0.0, |a, b| a.eq(b))
}

fn quantify(name: &'static str, x: &Tensor, axes: &[i64], keepdim: bool, any: bool) -> Result<Tensor> {
    require_bool(name, x)?;
    let arranged = arrange(name, x, axes)?;
    let blocks: Blocks = arranged.blocks;
    let found = with_slice::<u8, _>(&arranged.tensor.value().to_device(&Device::Cpu)?, |x| {
        let truth = lines(x, blocks, |line| {
            u8::from(if any { line.iter().any(|x| *x != 0) } else { line.iter().all(|x| *x != 0) })
        });
        value_of(truth, &[blocks.before, blocks.after])
    })?;
    arranged.finish(&Tensor::truth(found.to_device(x.device())?), keepdim)
}

/// Whether all along `axes` (none named: all) are true; true of nothing.
///
/// # Errors
/// When `x` is not bool, or an axis is not there or is named twice.
pub fn all(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    quantify("all", x, axes, keepdim, false)
}

/// Whether any along `axes` (none named: all) is true; false of nothing.
///
/// # Errors
/// When `x` is not bool, or an axis is not there or is named twice.
pub fn any(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    quantify("any", x, axes, keepdim, true)
}

/// a where `condition` is true, b elsewhere, all three broadcast. What is not chosen gets gradient 0, even where it is NaN.
///
/// # Errors
/// When `condition` is not bool, dtypes differ, or shapes do not broadcast.
pub fn where_cond(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    require_bool("where_cond", condition)?;
    same_dtype("where_cond", a, b)?;
    let shape = broadcast_shape("where_cond", condition.dims(), &broadcast_shape("where_cond", a.dims(), b.dims())?)?;
    let condition = condition.value().broadcast_as(shape.as_slice())?;
    let wide = |x: &Tensor| x.value().broadcast_as(shape.as_slice());
    let value = condition.where_cond(&wide(a)?, &wide(b)?)?;
    let (a_shape, b_shape) = (a.dims().to_vec(), b.dims().to_vec());
    Ok(Tensor::from_op("where_cond", value, &[a, b], move |gradient, needs| {
        let zeros = gradient.zeros_like()?;
        let to_a = || unbroadcast(&condition.where_cond(gradient, &zeros)?, &a_shape);
        let to_b = || unbroadcast(&condition.where_cond(&zeros, gradient)?, &b_shape);
        Ok(vec![if needs[0] { Some(to_a()?) } else { None }, if needs[1] { Some(to_b()?) } else { None }])
    }))
}

/// x with `number` where `mask` (bool, broadcast to the shape of x) is true.
///
/// # Errors
/// When the mask is not bool or does not broadcast to the shape of `x`.
pub fn fill_where(x: &Tensor, mask: &Tensor, number: f64) -> Result<Tensor> {
    if broadcast_shape("fill_where", x.dims(), mask.dims())? != x.dims() {
        let fact = format!("the mask {:?} is larger than the tensor {:?}", mask.dims(), x.dims());
        return Err(Error::shape("fill_where", fact).with_help("`expand` the tensor first"));
    }
    let scalar = Value::full(number, (), x.device())?.to_dtype(x.dtype().candle())?;
    let scalar = if x.dtype() == DType::Bool { Tensor::truth(scalar) } else { Tensor::constant(scalar) };
    where_cond(mask, &scalar, x)
}
