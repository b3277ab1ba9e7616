//! Where a row stands in its segment, as a vector to add: learned or fixed.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::nn::Embedding;
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::Init;

/// A learned vector for each position (Gehring et al. 2017, arXiv:1705.03122). Weights: `weight`
/// `[maximum length, width]`.
#[derive(Clone)]
pub struct LearnedPositions {
    embedding: Embedding,
    maximum_length: usize,
    offset: usize,
}

impl LearnedPositions {
    /// Makes it.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, maximum_length: usize, width: usize, init: Init) -> Result<Self> {
        Self::with_offset(scope, maximum_length, 0, width, init)
    }

    /// Makes it with `offset` further vectors before that of position 0, which are never used: RoBERTa has two.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn with_offset(scope: &Scope, maximum_length: usize, offset: usize, width: usize, init: Init) -> Result<Self> {
        let embedding = Embedding::new(scope, maximum_length + offset, width, init, "position,width")?;
        Ok(Self { embedding, maximum_length, offset })
    }

    /// Of the n rows of a layout: `[n, width]`.
    ///
    /// # Errors
    /// When a segment has more positions than there are vectors.
    #[track_caller]
    pub fn apply(&self, layout: &Layout) -> Result<Tensor> {
        self.apply_at(&layout.positions())
    }

    /// Of positions `u32` `[n]`: `[n, width]`.
    ///
    /// # Errors
    /// When there are fewer vectors than positions.
    #[track_caller]
    pub fn apply_at(&self, positions_n: &Tensor) -> Result<Tensor> {
        let mut positions = positions_n.to_vec::<u32>()?;
        let longest = positions.iter().max().map_or(0, |last| *last as usize + 1);
        if longest > self.maximum_length {
            let known = self.maximum_length;
            return Err(Error::new(
                "plugin/length",
                format!("a sequence of {longest} tokens is longer than the {known} learned positions of the model"),
            )
            .help("lower `data.text.length`, or raise the model's `maximum_length`"));
        }
        if self.offset == 0 {
            return Ok(self.embedding.apply(positions_n));
        }
        let offset = u32::try_from(self.offset).unwrap_or(u32::MAX);
        positions.iter_mut().for_each(|position| *position = position.saturating_add(offset));
        Ok(self.embedding.apply(&Tensor::new(&positions, &[positions.len()])))
    }
}

/// Sinusoidal positions (Vaswani et al. 2017, arXiv:1706.03762, section 3.5): of positions `[n]`, `[n, width]` with
/// sin(p / 10000^(2i/width)) at 2i and the cosine at 2i + 1. `width` is even.
#[track_caller]
#[must_use]
pub fn sinusoidal(positions_n: &Tensor, width: usize) -> Tensor {
    let rates = sinusoidal_rates(width);
    let angles_nf = positions_n.cast(DType::F32).unsqueeze(1) * Tensor::new(&rates, &[1, rates.len()]);
    // Sine and cosine of one rate stand side by side.
    Tensor::stack(&[angles_nf.sin(), angles_nf.cos()], 2).reshape(&[-1, 2 * rates.len() as i64])
}

/// 10000^(−2i/width) for i below width/2.
fn sinusoidal_rates(width: usize) -> Vec<f32> {
    (0..width / 2).map(|index| 10_000_f64.powf(-2.0 * index as f64 / width as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_fall_from_one() {
        let rates = sinusoidal_rates(4);
        assert_eq!(rates.len(), 2);
        assert!((rates[0] - 1.0).abs() < 1e-7 && (rates[1] - 0.01).abs() < 1e-7, "{rates:?}");
    }
}
