//! Tables of vectors by number: tokens, positions, kinds.

use crate::error::Result;
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight, WeightOptions};

/// A table. Weights: `weight` `[count, width]`.
#[derive(Clone)]
pub struct Embedding {
    weight: Weight,
}

impl Embedding {
    /// Makes it; `axes` names its axes, `vocabulary,width`.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, count: usize, width: usize, init: Init, axes: &str) -> Result<Self> {
        let weight = scope.weight_with("weight", &[count, width], init, &WeightOptions::new().axes(axes))?;
        Ok(Self { weight })
    }

    /// Of ids `[..]` (`u32` or `i64`): `[.., width]`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, ids: &Tensor) -> Tensor {
        ids.embedding(&self.weight)
    }

    /// The table, for a head that is tied to it.
    #[must_use]
    pub fn weight(&self) -> &Weight {
        &self.weight
    }
}
