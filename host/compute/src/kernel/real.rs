//! The two types that kernels compute in.

use candle_core::WithDType;

/// f32 or f64, so that a kernel is written once.
///
/// The plain names are those of the standard library, exact to the last digit or so. The `fast_` ones have no branches, so
/// that loops of them become vector instructions; in f64 they are the plain ones.
pub(crate) trait Real: WithDType + std::ops::Neg<Output = Self> + std::iter::Sum + 'static {
    const MINUS_INFINITY: Self;
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
    /// e to the power of this number; at most 2 ulp off, 0 below −87.3 in f32.
    fn fast_exp(self) -> Self;
    /// At most 2e-7 off.
    fn fast_tanh(self) -> Self;
    /// The standard normal distribution function and its density, at most 3e-7 off in f32.
    fn normal_cdf_pdf(self) -> (Self, Self);

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

    /// 1 / (1 + e^-x).
    #[inline(always)]
    fn fast_sigmoid(self) -> Self {
        Self::one() / (Self::one() + (-self).fast_exp())
    }

    /// log(1 + e^x), without overflow.
    #[inline]
    fn softplus(self) -> Self {
        let positive = if self < Self::zero() { Self::zero() } else { self };
        positive + (-self.abs()).exp().ln_1p()
    }
}

/// What both types take from the standard library.
macro_rules! plain {
    ($type:ty, $erf:path) => {
        const MINUS_INFINITY: Self = <$type>::NEG_INFINITY;

        #[inline(always)]
        fn of(number: f64) -> Self {
            number as $type
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            <$type>::is_nan(self)
        }
        #[inline(always)]
        fn erf(self) -> Self {
            $erf(self)
        }
        #[inline(always)]
        fn powf(self, exponent: Self) -> Self {
            <$type>::powf(self, exponent)
        }
        #[inline(always)]
        fn round_even(self) -> Self {
            <$type>::round_ties_even(self)
        }
        plain!($type: exp, exp_m1, ln, ln_1p, sqrt, sin, cos, tanh, abs, floor, ceil);
    };
    ($type:ty: $($name:ident),*) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            <$type>::$name(self)
        })*
    };
}

impl Real for f32 {
    plain!(f32, candle_core::cpu::erf::erf_f32);

    /// Range reduction by multiples of ln 2 in two parts, Taylor polynomial of degree 7 on |r| ≤ ln 2 / 2 (its rest is
    /// below 6e-9), no branches: a loop of these becomes vector instructions.
    #[inline(always)]
    fn fast_exp(self) -> Self {
        const ROUND: f32 = 12_582_912.0;
        // 88.7228 is the last argument below infinity; NaN passes both comparisons.
        let x = if self > 89.0 { 89.0 } else { self };
        let x = if x < -104.0 { -104.0 } else { x };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
        let mut p = 1.0 / 5040.0;
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = p * r + c;
        }
        // 2^n in two factors, since n may be 128.
        let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
        let half = exponent >> 1;
        let two = |e: i32| f32::from_bits((e.wrapping_add(127) as u32) << 23);
        let result = p * two(half) * two(exponent.wrapping_sub(half));
        if self < -87.3 { 0.0 } else { result }
    }

    #[inline(always)]
    fn fast_tanh(self) -> Self {
        let e = Real::fast_exp(-2.0 * f32::abs(self));
        f32::copysign((1.0 - e) / (1.0 + e), self)
    }

    /// Abramowitz & Stegun 7.1.26 in f32: at most 3e-7 off, the negative tail without cancellation.
    #[inline(always)]
    fn normal_cdf_pdf(self) -> (Self, Self) {
        let z = f32::abs(self) * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let e = Real::fast_exp(-z * z);
        let mut p = 1.061_405_4_f32;
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = p * t + c;
        }
        let tail = 0.5 * p * t * e;
        let cdf = if self < 0.0 { tail } else { 1.0 - tail };
        (cdf, e * 0.398_942_3)
    }
}

impl Real for f64 {
    plain!(f64, candle_core::cpu::erf::erf_f64);

    #[inline(always)]
    fn fast_exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn fast_tanh(self) -> Self {
        f64::tanh(self)
    }

    #[inline(always)]
    fn normal_cdf_pdf(self) -> (Self, Self) {
        let cdf = 0.5 * candle_core::cpu::erf::erfc_f64(-self * std::f64::consts::FRAC_1_SQRT_2);
        (cdf, f64::exp(-0.5 * self * self) * 0.398_942_280_401_432_7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_exponential_is_within_two_ulp() {
        let mut worst = 0.0_f64;
        for i in -870_000..887_000 {
            let x = i as f32 * 1e-4;
            let expected = f64::exp(f64::from(x));
            worst = worst.max((f64::from(Real::fast_exp(x)) - expected).abs() / expected);
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!(Real::fast_exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Real::fast_exp(0.0_f32), 1.0);
        assert_eq!(Real::fast_exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(Real::fast_exp(100.0_f32), f32::INFINITY);
        assert!(Real::fast_exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_and_tanh_agree_with_f64() {
        for i in -8_000..8_000 {
            let x = i as f32 * 1e-3;
            let (cdf, pdf) = Real::normal_cdf_pdf(x);
            let (cdf_64, pdf_64) = Real::normal_cdf_pdf(f64::from(x));
            assert!((f64::from(cdf) - cdf_64).abs() < 3e-7 && (f64::from(pdf) - pdf_64).abs() < 2e-7, "{x}");
            assert!((f64::from(Real::fast_tanh(x)) - f64::tanh(f64::from(x))).abs() < 2e-7, "{x}");
        }
    }
}
