//! Accumulation: gradients of several micro-batches are summed by the backward pass and scaled once at the end.

use crate::weights::Weights;
use crate::{Gradients, Result};

/// Multiplies the gradients of all trainable weights by `factor`.
///
/// Losses are sums over counted elements: sum over the micro-batches first, then scale by one over the count of all of
/// them. The mean of means would weigh short batches too much.
///
/// # Errors
/// When the device fails.
pub fn scale(weights: &Weights, gradients: &mut Gradients, factor: f64) -> Result<()> {
    for weight in weights.trainable() {
        let leaf = weight.leaf();
        if let Some(gradient) = gradients.take(&leaf) {
            gradients.set(&leaf, (gradient * factor)?);
        }
    }
    Ok(())
}
