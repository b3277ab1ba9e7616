//! Functions of each element.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, binary, unary};
use crate::raw::Attr;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self) -> Self {
                unary(op::$number, self, &[], Location::caller())
            }
        )*}
    };
}

functions! {
    /// |x|; gradient 0 at 0.
    abs ABS;
    /// e^x.
    exp EXP;
    /// e^x − 1, exact near 0.
    expm1 EXPM1;
    /// ln x.
    log LOG;
    /// ln(1 + x), exact near 0.
    log1p LOG1P;
    /// √x.
    sqrt SQRT;
    /// 1/√x.
    rsqrt RSQRT;
    /// 1/x.
    reciprocal RECIPROCAL;
    /// x².
    square SQUARE;
    /// sin x.
    sin SIN;
    /// cos x.
    cos COS;
    /// tanh x.
    tanh TANH;
    /// 1/(1 + e^−x).
    sigmoid SIGMOID;
    /// The error function.
    erf ERF;
    /// ln(1 + e^x).
    softplus SOFTPLUS;
    /// ln σ(x), without overflow.
    log_sigmoid LOG_SIGMOID;
    /// To the nearest integer; a constant. Written out as `&x + (x.round() - &x).stop_gradient()` it lets gradients
    /// through.
    round ROUND;
    /// To the integer below; a constant.
    floor FLOOR;
    /// To the integer above; a constant.
    ceil CEIL;
    /// −1, 0 or 1; a constant.
    sign SIGN;
    /// max(x, 0); gradient 0 at 0.
    relu RELU;
    /// x Φ(x), exact (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    gelu GELU;
    /// The tanh approximation of [`Tensor::gelu`] (the same, section 2), as GPT-2 has it.
    gelu_tanh GELU_TANH;
    /// x σ(x) (Ramachandran et al. 2017, arXiv:1710.05941).
    silu SILU;
    /// x tanh(softplus x) (Misra 2019, arXiv:1908.08681).
    mish MISH;
    /// x σ(1.702 x), as CLIP has it.
    quick_gelu QUICK_GELU;
}

impl Tensor {
    /// x^exponent.
    #[track_caller]
    #[must_use]
    pub fn pow(&self, exponent: f64) -> Self {
        unary(op::POW_SCALAR, self, &[Attr::Float(key::VALUE, exponent)], Location::caller())
    }

    /// Every element moved into `low..=high`; no gradient where it was moved.
    #[track_caller]
    #[must_use]
    pub fn clamp(&self, low: f64, high: f64) -> Self {
        unary(op::CLAMP, self, &[Attr::Float(key::LOW, low), Attr::Float(key::HIGH, high)], Location::caller())
    }

    /// The larger of both, broadcast.
    #[track_caller]
    #[must_use]
    pub fn maximum(&self, other: impl AsTensor) -> Self {
        binary(op::MAXIMUM, self, &other, &[], Location::caller())
    }

    /// The smaller of both, broadcast.
    #[track_caller]
    #[must_use]
    pub fn minimum(&self, other: impl AsTensor) -> Self {
        binary(op::MINIMUM, self, &other, &[], Location::caller())
    }

    /// x where positive, `slope` · x elsewhere.
    #[track_caller]
    #[must_use]
    pub fn leaky_relu(&self, slope: f64) -> Self {
        unary(op::LEAKY_RELU, self, &[Attr::Float(key::VALUE, slope)], Location::caller())
    }

    /// x where positive, `alpha` (e^x − 1) elsewhere.
    #[track_caller]
    #[must_use]
    pub fn elu(&self, alpha: f64) -> Self {
        unary(op::ELU, self, &[Attr::Float(key::VALUE, alpha)], Location::caller())
    }
}
