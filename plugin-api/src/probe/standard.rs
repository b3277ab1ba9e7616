//! Features with mean 0 and deviation 1.

use super::width_of;
use crate::error::Result;

/// Means and deviations of the features of some samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

impl Standard {
    /// Of these rows; a constant feature has the deviation 1.
    ///
    /// # Errors
    /// When there are no rows or they differ in length.
    pub fn of(rows: &[Vec<f64>]) -> Result<Self> {
        let width = width_of(rows, rows.len())?;
        let mean = |feature: &dyn Fn(&Vec<f64>) -> f64| rows.iter().map(feature).sum::<f64>() / rows.len() as f64;
        let means: Vec<f64> = (0..width).map(|place| mean(&|row| row[place])).collect();
        let deviation = |place: usize| {
            let deviation = mean(&|row| (row[place] - means[place]).powi(2)).sqrt();
            if deviation > 0.0 { deviation } else { 1.0 }
        };
        Ok(Self { deviations: (0..width).map(deviation).collect(), means })
    }

    /// The rows with the means taken off, divided by the deviations.
    #[must_use]
    pub fn apply(&self, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let scaled = |row: &Vec<f64>| {
            let parts = row.iter().zip(&self.means).zip(&self.deviations);
            parts.map(|((number, mean), deviation)| (number - mean) / deviation).collect()
        };
        rows.iter().map(scaled).collect()
    }
}
