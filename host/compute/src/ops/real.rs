//! The real numbers that kernels compute with: f32 and f64.

use candle_core::WithDType;

/// Arithmetic of f32 and f64, so that a kernel is written once.
pub(crate) trait Real: WithDType + std::ops::Neg<Output = Self> + std::iter::Sum {
    fn of(number: f64) -> Self;
    fn exp(self) -> Self;
    fn exp_m1(self) -> Self;
    fn ln(self) -> Self;
    fn ln_1p(self) -> Self;
    fn sqrt(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    fn powf(self, exponent: Self) -> Self;
    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// To the nearest integer, halves to the even one.
    fn round_even(self) -> Self;
    fn is_nan(self) -> bool;

    /// 1 / (1 + e^-x), without overflow on either side.
    #[inline]
    fn sigmoid(self) -> Self {
        if self >= Self::zero() {
            Self::one() / (Self::one() + (-self).exp())
        } else {
            let e = self.exp();
            e / (Self::one() + e)
        }
    }

    /// log(1 + e^x), without overflow.
    #[inline]
    fn softplus(self) -> Self {
        let positive = if self < Self::zero() { Self::zero() } else { self };
        positive + (-self.abs()).exp().ln_1p()
    }
}

macro_rules! real {
    ($type:ty, $erf:path) => {
        impl Real for $type {
            #[inline]
            fn of(number: f64) -> Self {
                number as $type
            }
            #[inline]
            fn exp(self) -> Self {
                <$type>::exp(self)
            }
            #[inline]
            fn exp_m1(self) -> Self {
                <$type>::exp_m1(self)
            }
            #[inline]
            fn ln(self) -> Self {
                <$type>::ln(self)
            }
            #[inline]
            fn ln_1p(self) -> Self {
                <$type>::ln_1p(self)
            }
            #[inline]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            #[inline]
            fn sin(self) -> Self {
                <$type>::sin(self)
            }
            #[inline]
            fn cos(self) -> Self {
                <$type>::cos(self)
            }
            #[inline]
            fn tanh(self) -> Self {
                <$type>::tanh(self)
            }
            #[inline]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline]
            fn powf(self, exponent: Self) -> Self {
                <$type>::powf(self, exponent)
            }
            #[inline]
            fn abs(self) -> Self {
                <$type>::abs(self)
            }
            #[inline]
            fn floor(self) -> Self {
                <$type>::floor(self)
            }
            #[inline]
            fn ceil(self) -> Self {
                <$type>::ceil(self)
            }
            #[inline]
            fn round_even(self) -> Self {
                <$type>::round_ties_even(self)
            }
            #[inline]
            fn is_nan(self) -> bool {
                <$type>::is_nan(self)
            }
        }
    };
}

real!(f32, candle_core::cpu::erf::erf_f32);
real!(f64, candle_core::cpu::erf::erf_f64);
