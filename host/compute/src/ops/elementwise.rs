//! Functions of one element at a time.
//!
//! Each is a formula and its slope, written once for f32 and f64; the slope is given in terms of the input or of the
//! output, and only that one is kept for the backward pass.

use candle_core::Result as CandleResult;

use crate::kernel::{Real, by_real, map, on_cpu, zip};
use crate::tape::require_float;
use crate::{DType, Error, Result, Tensor, Value};

/// A function of one element and its slope.
pub(crate) trait Elementwise: Copy + Send + Sync + 'static {
    /// Whether the slope is a function of the output; of the input otherwise.
    const SLOPE_OF_OUTPUT: bool;
    fn value<T: Real>(self, x: T) -> T;
    fn slope<T: Real>(self, saved: T) -> T;
    /// A form for devices that are no CPU, where the library has one; others are computed on the CPU.
    fn on_device(self, _x: &Value) -> Option<CandleResult<Value>> {
        None
    }
}

/// Applies a function to every element of a float tensor.
pub(crate) fn apply<F: Elementwise>(name: &'static str, x: &Tensor, function: F) -> Result<Tensor> {
    require_float(name, x)?;
    let on_device = if x.device().is_cpu() { None } else { function.on_device(x.value()) };
    let value = match on_device {
        Some(value) => value?,
        None => on_cpu(&[x.value()], |x| by_real!(x[0].dtype(), T => map::<T>(&x[0], |x| function.value(x))))?,
    };
    let saved = if F::SLOPE_OF_OUTPUT { value.clone() } else { x.value().clone() };
    Ok(Tensor::from_op(name, value, &[x], move |gradient, _| {
        let product = on_cpu(
            &[gradient, &saved],
            |v| by_real!(v[0].dtype(), T => zip::<T>(&v[0], &v[1], |gradient, saved| gradient * function.slope(saved))),
        )?;
        Ok(vec![Some(product)])
    }))
}

/// Declares an elementwise operation: documentation, name, which of input or output the slope is of, both formulas and
/// the form for other devices.
macro_rules! elementwise {
    ($(#[doc = $doc:expr])* $name:ident, $item:ident, $of_output:expr, |$x:ident| $value:expr, |$saved:ident| $slope:expr
        $(, device |$d:ident| $device:expr)?) => {
        #[derive(Clone, Copy)]
        struct $item;
        impl $crate::ops::elementwise::Elementwise for $item {
            const SLOPE_OF_OUTPUT: bool = $of_output;
            #[inline]
            fn value<T: Real>(self, $x: T) -> T {
                $value
            }
            #[inline]
            fn slope<T: Real>(self, $saved: T) -> T {
                $slope
            }
            $(fn on_device(self, $d: &$crate::Value) -> Option<candle_core::Result<$crate::Value>> {
                Some($device)
            })?
        }
        $(#[doc = $doc])*
        ///
        /// # Errors
        /// When `x` is no float tensor or the device fails.
        pub fn $name(x: &$crate::Tensor) -> $crate::Result<$crate::Tensor> {
            $crate::ops::elementwise::apply(stringify!($name), x, $item)
        }
    };
}
pub(crate) use elementwise;

elementwise!(
    /// The exponential, elementwise.
    exp, Exp, true, |x| x.exp(), |y| y, device |x| x.exp()
);
elementwise!(
    /// e^x - 1, exact near 0, elementwise.
    expm1, Expm1, true, |x| x.exp_m1(), |y| y + T::one()
);
elementwise!(
    /// The natural logarithm, elementwise; NaN below 0, minus infinity at 0.
    log, Log, false, |x| x.ln(), |x| T::one() / x, device |x| x.log()
);
elementwise!(
    /// log(1 + x), exact near 0, elementwise.
    log1p, Log1p, false, |x| x.ln_1p(), |x| T::one() / (T::one() + x)
);
elementwise!(
    /// The square root, elementwise. Its gradient at 0 is infinite: add an epsilon inside where 0 can come.
    sqrt, Sqrt, true, |x| x.sqrt(), |y| T::of(0.5) / y, device |x| x.sqrt()
);
elementwise!(
    /// 1 / sqrt(x), elementwise.
    rsqrt, Rsqrt, true, |x| T::one() / x.sqrt(), |y| T::of(-0.5) * y * y * y
);
elementwise!(
    /// 1 / x, elementwise.
    reciprocal, Reciprocal, true, |x| T::one() / x, |y| -(y * y), device |x| x.recip()
);
elementwise!(
    /// x², elementwise.
    square, Square, false, |x| x * x, |x| x + x, device |x| x.sqr()
);
elementwise!(
    /// The sine of radians, elementwise.
    sin, Sin, false, |x| x.sin(), |x| x.cos(), device |x| x.sin()
);
elementwise!(
    /// The cosine of radians, elementwise.
    cos, Cos, false, |x| x.cos(), |x| -x.sin(), device |x| x.cos()
);
elementwise!(
    /// The hyperbolic tangent, elementwise.
    tanh, Tanh, true, |x| x.tanh(), |y| T::one() - y * y, device |x| x.tanh()
);
elementwise!(
    /// 1 / (1 + e^-x), elementwise; no overflow on either side.
    sigmoid, Sigmoid, true, |x| x.sigmoid(), |y| y * (T::one() - y)
);
elementwise!(
    /// The error function 2/√π ∫₀ˣ e^(-t²) dt, elementwise.
    erf, Erf, false, |x| x.erf(), |x| T::of(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp(), device |x| x.erf()
);
elementwise!(
    /// -x, elementwise.
    neg, Neg, true, |x| -x, |_y| -T::one(), device |x| x.neg()
);
elementwise!(
    /// The absolute value, elementwise. The gradient at 0 is 0.
    abs, Abs, false, |x| x.abs(), |x| signum(x), device |x| x.abs()
);

/// -1, 0 or 1; NaN stays NaN.
#[inline]
pub(crate) fn signum<T: Real>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        // 0 for both zeros, NaN for NaN.
        x * T::zero()
    }
}

#[derive(Clone, Copy)]
struct Pow(f64);

impl Elementwise for Pow {
    const SLOPE_OF_OUTPUT: bool = false;
    #[inline]
    fn value<T: Real>(self, x: T) -> T {
        x.powf(T::of(self.0))
    }
    #[inline]
    fn slope<T: Real>(self, x: T) -> T {
        // x^0 is 1 everywhere; without this, 0 · x^-1 is NaN at 0.
        if self.0 == 0.0 { T::zero() } else { T::of(self.0) * x.powf(T::of(self.0 - 1.0)) }
    }
}

/// x to the power of `exponent`, elementwise; NaN where x < 0 and the exponent is no integer.
///
/// # Errors
/// When `x` is no float tensor or the device fails.
pub fn pow_scalar(x: &Tensor, exponent: f64) -> Result<Tensor> {
    apply("pow_scalar", x, Pow(exponent))
}

#[derive(Clone, Copy)]
struct Clamp(f64, f64);

impl Elementwise for Clamp {
    const SLOPE_OF_OUTPUT: bool = false;
    #[inline]
    fn value<T: Real>(self, x: T) -> T {
        if x < T::of(self.0) {
            T::of(self.0)
        } else if x > T::of(self.1) {
            T::of(self.1)
        } else {
            x
        }
    }
    #[inline]
    fn slope<T: Real>(self, x: T) -> T {
        if x < T::of(self.0) || x > T::of(self.1) { T::zero() } else { T::one() }
    }
}

/// x kept within `low..=high`, elementwise; infinite bounds are allowed. The gradient is 1 inside and on the bounds, 0 outside.
///
/// # Errors
/// When `low` is above `high` or either is NaN, or `x` is no float tensor.
pub fn clamp(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    if low.is_nan() || high.is_nan() || low > high {
        return Err(Error::argument("clamp", format!("the bounds {low} and {high} are no range")));
    }
    apply("clamp", x, Clamp(low, high))
}

/// An operation whose result is a constant: its slope is 0 wherever it has one.
fn stepwise<F: Elementwise>(name: &'static str, x: &Tensor, function: F) -> Result<Tensor> {
    if matches!(x.dtype(), DType::U8 | DType::U32 | DType::I64) {
        return Err(Error::dtype(name, x.dtype())
            .with_help("integers are whole already; cast to a float type for a float result"));
    }
    apply(name, &x.stop_gradient(), function)
}

macro_rules! stepwise {
    ($(#[doc = $doc:expr])* $name:ident, $item:ident, |$x:ident| $value:expr) => {
        #[derive(Clone, Copy)]
        struct $item;
        impl Elementwise for $item {
            const SLOPE_OF_OUTPUT: bool = false;
            #[inline]
            fn value<T: Real>(self, $x: T) -> T {
                $value
            }
            #[inline]
            fn slope<T: Real>(self, _x: T) -> T {
                T::zero()
            }
        }
        $(#[doc = $doc])*
        /// The result is a constant; write `x + stop_gradient(result - x)` for a straight-through gradient.
        ///
        /// # Errors
        /// When `x` is no float tensor or the device fails.
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            stepwise(stringify!($name), x, $item)
        }
    };
}

stepwise!(
    /// To the nearest integer, halves to the even one, elementwise.
    round, Round, |x| x.round_even()
);
stepwise!(
    /// The largest integer that is not above x, elementwise.
    floor, Floor, |x| x.floor()
);
stepwise!(
    /// The smallest integer that is not below x, elementwise.
    ceil, Ceil, |x| x.ceil()
);
stepwise!(
    /// -1, 0 or 1, elementwise.
    sign, Sign, |x| signum(x)
);
