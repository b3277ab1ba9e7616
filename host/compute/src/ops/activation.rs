//! Activation functions.

use super::elementwise::{Elementwise, apply, elementwise};
use crate::kernel::Real;
use crate::{Result, Tensor};

/// √(2/π), the factor of the tanh form of GELU.
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
/// The cubic factor of the tanh form of GELU.
const CUBIC: f64 = 0.044_715;

elementwise!(
    /// max(x, 0), elementwise. The gradient at 0 is 0; NaN stays NaN.
    relu, Relu, false,
    |x| if x <= T::zero() { T::zero() } else { x },
    |x| if x > T::zero() { T::one() } else if x <= T::zero() { T::zero() } else { x },
    device |x| x.relu()
);
elementwise!(
    /// x·Φ(x) with the exact normal distribution function Φ, elementwise. Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2.
    gelu, Gelu, false,
    |x| x * normal_cdf(x),
    |x| normal_cdf(x) + x * T::of(0.398_942_280_401_432_7) * (T::of(-0.5) * x * x).exp(),
    device |x| x.gelu_erf()
);
elementwise!(
    /// The tanh form of GELU: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), elementwise. arXiv:1606.08415, section 2.
    gelu_tanh, GeluTanh, false,
    |x| T::of(0.5) * x * (T::one() + gelu_inner(x).tanh()),
    |x| {
        let tanh = gelu_inner(x).tanh();
        let inner = T::of(SQRT_2_OVER_PI) * (T::one() + T::of(3.0 * CUBIC) * x * x);
        T::of(0.5) * (T::one() + tanh) + T::of(0.5) * x * (T::one() - tanh * tanh) * inner
    },
    device |x| x.gelu()
);
elementwise!(
    /// x·sigmoid(1.702·x), elementwise. arXiv:1606.08415, section 2.
    quick_gelu, QuickGelu, false,
    |x| x * (T::of(1.702) * x).sigmoid(),
    |x| {
        let s = (T::of(1.702) * x).sigmoid();
        s + T::of(1.702) * x * s * (T::one() - s)
    }
);
elementwise!(
    /// x·sigmoid(x), elementwise. Elfwing et al. 2017, arXiv:1702.03118.
    silu, Silu, false,
    |x| x * x.sigmoid(),
    |x| {
        let s = x.sigmoid();
        s * (T::one() + x * (T::one() - s))
    },
    device |x| x.silu()
);
elementwise!(
    /// x·tanh(softplus(x)), elementwise. Misra 2019, arXiv:1908.08681.
    mish, Mish, false,
    |x| x * x.softplus().tanh(),
    |x| {
        let tanh = x.softplus().tanh();
        tanh + x * (T::one() - tanh * tanh) * x.sigmoid()
    }
);
elementwise!(
    /// log(1 + e^x), elementwise; no overflow.
    softplus, Softplus, false, |x| x.softplus(), |x| x.sigmoid()
);
elementwise!(
    /// log(sigmoid(x)) = -softplus(-x), elementwise; no overflow.
    log_sigmoid, LogSigmoid, false, |x| -(-x).softplus(), |x| (-x).sigmoid()
);

#[inline]
fn normal_cdf<T: Real>(x: T) -> T {
    T::of(0.5) * (T::one() + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

#[inline]
fn gelu_inner<T: Real>(x: T) -> T {
    T::of(SQRT_2_OVER_PI) * (x + T::of(CUBIC) * x * x * x)
}

#[derive(Clone, Copy)]
struct LeakyRelu(f64);

impl Elementwise for LeakyRelu {
    const SLOPE_OF_OUTPUT: bool = false;
    #[inline]
    fn value<T: Real>(self, x: T) -> T {
        if x < T::zero() { T::of(self.0) * x } else { x }
    }
    #[inline]
    fn slope<T: Real>(self, x: T) -> T {
        if x > T::zero() { T::one() } else { T::of(self.0) }
    }
}

/// x where it is positive, `slope`·x elsewhere, elementwise. The gradient at 0 is `slope`.
///
/// # Errors
/// When `x` is no float tensor or the device fails.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    apply("leaky_relu", x, LeakyRelu(slope))
}

#[derive(Clone, Copy)]
struct Elu(f64);

impl Elementwise for Elu {
    const SLOPE_OF_OUTPUT: bool = false;
    #[inline]
    fn value<T: Real>(self, x: T) -> T {
        if x > T::zero() { x } else { T::of(self.0) * x.exp_m1() }
    }
    #[inline]
    fn slope<T: Real>(self, x: T) -> T {
        if x > T::zero() { T::one() } else { T::of(self.0) * x.exp() }
    }
}

/// x where it is positive, `alpha`·(e^x - 1) elsewhere, elementwise. Clevert et al. 2015, arXiv:1511.07289.
///
/// # Errors
/// When `x` is no float tensor or the device fails.
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    apply("elu", x, Elu(alpha))
}
