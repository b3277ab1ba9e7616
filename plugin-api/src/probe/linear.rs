//! Ridge regression (Hoerl and Kennard 1970).

use super::{dot, width_of};
use crate::error::{Error, Result};

/// A linear function of features, fitted by least squares.
#[derive(Debug, Clone, PartialEq)]
pub struct Ridge {
    weights: Vec<f64>,
    bias: f64,
}

impl Ridge {
    /// The function with the least Σ (target − prediction)² + `penalty` · Σ weight²; the bias goes free. `penalty` is `alpha`
    /// of scikit-learn's `Ridge`.
    ///
    /// # Errors
    /// Without samples, with features that differ in number or are not finite, or where `penalty` is 0 and the features
    /// depend on each other.
    pub fn fit(rows: &[Vec<f64>], targets: &[f64], penalty: f64) -> Result<Self> {
        let width = width_of(rows, targets.len())?;
        let samples = rows.len() as f64;
        let mean = |feature: usize| rows.iter().map(|row| row[feature]).sum::<f64>() / samples;
        let means: Vec<f64> = (0..width).map(mean).collect();
        let target_mean = targets.iter().sum::<f64>() / samples;
        // The normal equations of centred features: the lower half of a symmetric matrix, row by row.
        let (mut products, mut right) = (vec![0.0; width * width], vec![0.0; width]);
        for (row, target) in rows.iter().zip(targets) {
            let centred: Vec<f64> = row.iter().zip(&means).map(|(feature, mean)| feature - mean).collect();
            for (place, feature) in centred.iter().enumerate() {
                let line = &mut products[place * width..][..=place];
                line.iter_mut().zip(&centred).for_each(|(sum, other)| *sum += feature * other);
                right[place] += feature * (target - target_mean);
            }
        }
        (0..width).for_each(|place| products[place * width + place] += penalty);
        let weights = solve(products, right).ok_or_else(|| {
            Error::data("the features depend on each other, so least squares has no single answer")
                .help("choose a penalty above 0")
        })?;
        Ok(Self { bias: target_mean - dot(&weights, &means), weights })
    }

    /// The prediction for each row.
    #[must_use]
    pub fn predict(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        rows.iter().map(|row| dot(&self.weights, row) + self.bias).collect()
    }

    /// The weights of the features.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What is added to them.
    #[must_use]
    pub fn bias(&self) -> f64 {
        self.bias
    }
}

/// The answer of a positive definite system by Cholesky's factors; `None` where it is not.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let width = right.len();
    let largest = (0..width).map(|place| matrix[place * width + place]).fold(0.0, f64::max);
    for row in 0..width {
        for column in 0..=row {
            let done = dot(&matrix[row * width..][..column], &matrix[column * width..][..column]);
            let rest = matrix[row * width + column] - done;
            matrix[row * width + column] = if row == column {
                // Less than this is rounding.
                if rest <= largest * 1e-13 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / matrix[column * width + column]
            };
        }
    }
    for row in 0..width {
        let done = dot(&matrix[row * width..][..row], &right[..row]);
        right[row] = (right[row] - done) / matrix[row * width + row];
    }
    for row in (0..width).rev() {
        let done: f64 = (row + 1..width).map(|below| matrix[below * width + row] * right[below]).sum();
        right[row] = (right[row] - done) / matrix[row * width + row];
    }
    Some(right)
}
