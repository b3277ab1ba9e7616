//! Multinomial logistic regression.

use super::minimise::minimise;
use super::{dot, width_of};
use crate::error::{Error, Result};

/// Steps of the search; separable classes without a penalty have no minimum to reach.
const MOST_STEPS: usize = 1000;
/// The largest slope, for each sample, at which the search ends.
const TOLERANCE: f64 = 1e-8;

/// A linear classifier, fitted by the likelihood of the labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    classes: usize,
    width: usize,
    /// For each class its weights and then its bias.
    weights: Vec<f64>,
}

impl Logistic {
    /// The classifier with the least Σ −ln p(label) + `penalty` / 2 · Σ weight²; biases go free. `penalty` is 1 / `C` of
    /// scikit-learn's `LogisticRegression`.
    ///
    /// # Errors
    /// Without samples, with features that differ in number or are not finite, a label outside of `classes`, or a penalty
    /// below 0.
    pub fn fit(rows: &[Vec<f64>], labels: &[usize], classes: usize, penalty: f64) -> Result<Self> {
        let width = width_of(rows, labels.len())?;
        if let Some(label) = labels.iter().find(|label| **label >= classes) {
            return Err(Error::data(format!("a label is class {label} of {classes} classes")));
        }
        if penalty < 0.0 || !penalty.is_finite() {
            return Err(Error::data(format!("the penalty is {penalty}")).help("choose a number from 0"));
        }
        let (stride, tolerance) = (width + 1, TOLERANCE * rows.len() as f64);
        let weights = minimise(vec![0.0; classes * stride], tolerance, MOST_STEPS, |weights, slope| {
            slope.fill(0.0);
            let (mut value, mut scores) = (0.0, vec![0.0; classes]);
            for (row, label) in rows.iter().zip(labels) {
                scores_of(weights, row, &mut scores);
                value -= scores[*label];
                value += to_probabilities(&mut scores);
                for (class, (p, slope)) in scores.iter().zip(slope.chunks_exact_mut(stride)).enumerate() {
                    let miss = p - f64::from(u8::from(class == *label));
                    slope.iter_mut().zip(row).for_each(|(slope, feature)| *slope += miss * feature);
                    slope[width] += miss;
                }
            }
            for (weights, slope) in weights.chunks_exact(stride).zip(slope.chunks_exact_mut(stride)) {
                for (weight, slope) in weights[..width].iter().zip(&mut slope[..width]) {
                    value += penalty / 2.0 * weight * weight;
                    *slope += penalty * weight;
                }
            }
            value
        });
        Ok(Self { classes, width, weights })
    }

    /// The probability of each class.
    #[must_use]
    pub fn probabilities(&self, row: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.0; self.classes];
        scores_of(&self.weights, row, &mut scores);
        to_probabilities(&mut scores);
        scores
    }

    /// The likeliest class of each row; of equal ones the first.
    #[must_use]
    pub fn predict(&self, rows: &[Vec<f64>]) -> Vec<usize> {
        let likeliest = |row: &Vec<f64>| {
            let probabilities = self.probabilities(row);
            (0..self.classes)
                .fold(0, |best, class| if probabilities[class] > probabilities[best] { class } else { best })
        };
        rows.iter().map(likeliest).collect()
    }

    /// The weights of a class, without its bias.
    #[must_use]
    pub fn weights(&self, class: usize) -> &[f64] {
        &self.weights[class * (self.width + 1)..][..self.width]
    }
}

fn scores_of(weights: &[f64], row: &[f64], scores: &mut [f64]) {
    for (weights, score) in weights.chunks_exact(row.len() + 1).zip(scores) {
        *score = dot(&weights[..row.len()], row) + weights[row.len()];
    }
}

/// Scores become probabilities; ln Σ exp score.
fn to_probabilities(scores: &mut [f64]) -> f64 {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
    most + sum.ln()
}
