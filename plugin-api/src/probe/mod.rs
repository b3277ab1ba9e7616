//! Small models on frozen features, fitted on the spot: what a probing evaluator needs beside the figures.
//!
//! Plain Rust in double precision on one thread, deterministic: no draws, no iteration whose end depends on time. Rows are the
//! features of samples, as [`Items::lists`](crate::Items::lists) gives them. Meant for thousands of samples with hundreds of
//! features.

mod linear;
mod logistic;
mod minimise;
mod neighbours;
mod standard;

pub use linear::Ridge;
pub use logistic::Logistic;
pub use neighbours::{Neighbours, cosine};
pub use standard::Standard;

use crate::error::{Error, Result};

/// The width that all rows share.
fn width_of(rows: &[Vec<f64>], targets: usize) -> Result<usize> {
    let Some(first) = rows.first() else {
        return Err(Error::data("there are no samples to fit").help("give training data with labels"));
    };
    if rows.len() != targets {
        return Err(Error::data(format!("{} rows of features have {targets} targets", rows.len())));
    }
    match rows.iter().find(|row| row.len() != first.len() || row.iter().any(|number| !number.is_finite())) {
        Some(row) if row.len() != first.len() => {
            Err(Error::data(format!("features have {} numbers in one row, {} in another", first.len(), row.len())))
        }
        Some(_) => Err(Error::data("features hold a number that is not finite")),
        None => Ok(first.len()),
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
