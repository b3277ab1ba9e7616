//! From hidden rows to logits over units of speech: by angle, or by a linear layer.

use crate::error::Result;
use crate::nn::{Linear, LinearOptions};
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::weight::{Init, Weight};

/// How rows become logits over units.
pub enum UnitHead {
    /// The cosine of a projected row with each unit's vector, by a temperature (Hsu et al. 2021, arXiv:2106.07447, section III-A).
    /// Weights: `projection.{weight,bias}`, `units` `[units, unit_width]`.
    Cosine {
        /// From the width of rows to that of the units' vectors.
        projection: Linear,
        /// The units' vectors.
        table: Weight,
        /// What cosines are divided by.
        temperature: f64,
    },
    /// A linear layer. Weights: `units.{weight,bias}`.
    Linear(Linear),
}

impl UnitHead {
    /// By angle.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn cosine(scope: &Scope, width: usize, unit_width: usize, units: usize, temperature: f64) -> Result<Self> {
        let projection = Linear::new(&scope.at("projection"), width, unit_width, &LinearOptions::new())?;
        let table = scope.weight("units", &[units, unit_width], Init::Normal(1.0))?;
        Ok(Self::Cosine { projection, table, temperature })
    }

    /// By a linear layer.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn linear(scope: &Scope, width: usize, units: usize) -> Result<Self> {
        Ok(Self::Linear(Linear::new(&scope.at("units"), width, units, &LinearOptions::new())?))
    }

    /// Of rows `[c, d]`: `[c, units]`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, hidden_cd: &Tensor) -> Tensor {
        match self {
            Self::Linear(linear) => linear.apply(hidden_cd),
            Self::Cosine { projection, table, temperature } => {
                let rows_ce = projection.apply(hidden_cd).normalized(1e-8);
                rows_ce.linear(table.tensor().normalized(1e-8), None, None) / *temperature
            }
        }
    }
}
