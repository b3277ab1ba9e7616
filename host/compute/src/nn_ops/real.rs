//! The two types that kernels compute in, with functions that vectorise.

use candle_core::WithDType;

/// f32 or f64.
pub(crate) trait Real: WithDType + std::ops::Neg<Output = Self> + std::iter::Sum + 'static {
    const MINUS_INFINITY: Self;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    /// e to the power of this number; at most 2 ulp off, 0 below −87.3 in f32.
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    fn is_nan(self) -> bool;
    fn tanh(self) -> Self;
    /// The standard normal distribution function and its density.
    fn normal_cdf_pdf(self) -> (Self, Self);
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::one() / (Self::one() + (-self).exp())
    }
}

impl Real for f32 {
    const MINUS_INFINITY: Self = f32::NEG_INFINITY;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    /// Range reduction by multiples of ln 2 in two parts, Taylor polynomial of degree 7 on |r| ≤ ln 2 / 2 (its rest is
    /// below 6e-9), no branches: a loop of these becomes vector instructions.
    #[inline(always)]
    fn exp(self) -> Self {
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
    fn ln(self) -> Self {
        f32::ln(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        let e = Real::exp(-2.0 * f32::abs(self));
        f32::copysign((1.0 - e) / (1.0 + e), self)
    }

    /// Abramowitz & Stegun 7.1.26 in f32: at most 3e-7 off, the negative tail without cancellation.
    #[inline(always)]
    fn normal_cdf_pdf(self) -> (Self, Self) {
        let z = f32::abs(self) * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let e = Real::exp(-z * z);
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
    const MINUS_INFINITY: Self = f64::NEG_INFINITY;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
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
            worst = worst.max((f64::from(Real::exp(x)) - expected).abs() / expected);
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!(Real::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Real::exp(0.0_f32), 1.0);
        assert_eq!(Real::exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(Real::exp(100.0_f32), f32::INFINITY);
        assert!(Real::exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_and_tanh_agree_with_f64() {
        for i in -8_000..8_000 {
            let x = i as f32 * 1e-3;
            let (cdf, pdf) = Real::normal_cdf_pdf(x);
            let (cdf_64, pdf_64) = Real::normal_cdf_pdf(f64::from(x));
            assert!((f64::from(cdf) - cdf_64).abs() < 3e-7 && (f64::from(pdf) - pdf_64).abs() < 2e-7, "{x}");
            assert!((f64::from(Real::tanh(x)) - f64::tanh(f64::from(x))).abs() < 2e-7, "{x}");
        }
    }
}
