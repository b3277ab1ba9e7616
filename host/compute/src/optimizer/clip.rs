//! The norm of all gradients together, and clipping to it (Pascanu et al. 2013, arXiv:1211.5063, section 3.2).

use rayon::prelude::*;

use crate::kernel::{CHUNK, Real, by_real, vectorised, widen, with_slice};
use crate::weights::Weights;
use crate::{Gradients, Result, Value};

/// The norm of gradients and what clipping did to them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientNorm {
    /// The Euclidean norm before clipping; not finite when a gradient is not.
    pub norm: f64,
    /// The factor applied; 1 when nothing was.
    pub factor: f64,
}

impl GradientNorm {
    /// Whether all gradients are finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.norm.is_finite()
    }
}

/// The Euclidean norm of the gradients of all trainable weights, summed in f64.
///
/// # Errors
/// When the device fails.
pub fn global_norm(weights: &Weights, gradients: &Gradients) -> Result<f64> {
    let found = weights.trainable();
    norm_of(found.iter().filter_map(|weight| gradients.get(&weight.leaf())))
}

/// Scales the gradients of all trainable weights so that their norm is at most `max_norm`. Gradients that are not finite
/// are left alone and reported.
///
/// # Errors
/// When the device fails.
pub fn clip_by_global_norm(weights: &Weights, gradients: &mut Gradients, max_norm: f64) -> Result<GradientNorm> {
    let norm = global_norm(weights, gradients)?;
    let factor = clip_factor(norm, Some(max_norm));
    if factor != 1.0 {
        super::scale(weights, gradients, factor)?;
    }
    Ok(GradientNorm { norm, factor })
}

/// The factor that brings `norm` down to `max_norm`.
pub(super) fn clip_factor(norm: f64, max_norm: Option<f64>) -> f64 {
    match max_norm {
        Some(limit) if norm.is_finite() && norm > limit => limit / norm,
        _ => 1.0,
    }
}

pub(super) fn norm_of<'a>(values: impl Iterator<Item = &'a Value>) -> Result<f64> {
    let mut sum = 0.0;
    for value in values {
        let value = widen(value)?;
        sum += if value.device().is_cpu() {
            by_real!(value.dtype(), T => with_slice::<T, _>(&value, |numbers| Ok(squares(numbers))))?
        } else {
            f64::from(value.to_dtype(candle_core::DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()?)
        };
    }
    Ok(sum.sqrt())
}

fn squares<T: Real>(numbers: &[T]) -> f64 {
    let parts: Vec<f64> = numbers.par_chunks(CHUNK).map(|chunk| chunk_squares(chunk)).collect();
    parts.iter().sum()
}

vectorised! {
    /// The sum of squares in f64, in eight lanes.
    fn chunk_squares<T>(numbers: &[T]) -> f64 {
        let mut lanes = [0.0_f64; 8];
        let chunks = numbers.chunks_exact(8);
        let rest: f64 = chunks.remainder().iter().map(|number| number.to_f64().powi(2)).sum();
        for chunk in chunks {
            for (lane, number) in lanes.iter_mut().zip(chunk) {
                let number = number.to_f64();
                *lane += number * number;
            }
        }
        lanes.iter().sum::<f64>() + rest
    }
}
