//! The plain head.

use super::{Linear, LinearOptions};
use crate::error::Result;
use crate::family::HeadModule;
use crate::scope::Scope;
use crate::tensor::Tensor;

/// One linear layer: what a family answers with when it has no head of its own.
#[derive(Clone)]
pub struct LinearHead {
    /// [outputs, d].
    pub linear: Linear,
}

impl LinearHead {
    /// Makes `weight` [outputs, width] and `bias` [outputs] below `scope`.
    ///
    /// # Errors
    /// When the scope has such weights already.
    pub fn new(scope: &Scope, width: usize, outputs: usize) -> Result<Self> {
        Ok(Self { linear: Linear::new(scope, width, outputs, LinearOptions::default())? })
    }
}

impl HeadModule for LinearHead {
    fn apply(&self, hidden_nd: &Tensor) -> Result<Tensor> {
        Ok(self.linear.apply(hidden_nd))
    }
}
