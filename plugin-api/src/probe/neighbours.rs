//! Classes by the nearest samples.

use super::{dot, width_of};
use crate::error::{Error, Result};

/// The cosine of the angle between two rows; 0 where one has no length.
#[must_use]
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { (dot(a, b) / lengths).clamp(-1.0, 1.0) }
}

/// Labelled samples among which the nearest are looked for, by the cosine of their features.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours<'a> {
    rows: &'a [Vec<f64>],
    labels: &'a [usize],
    classes: usize,
    /// The length of each row.
    lengths: Vec<f64>,
}

impl<'a> Neighbours<'a> {
    /// Of these rows.
    ///
    /// # Errors
    /// Without samples, with features that differ in number or are not finite, or a label outside of `classes`.
    pub fn new(rows: &'a [Vec<f64>], labels: &'a [usize], classes: usize) -> Result<Self> {
        width_of(rows, labels.len())?;
        match labels.iter().find(|label| **label >= classes) {
            Some(label) => Err(Error::data(format!("a label is class {label} of {classes} classes"))),
            None => Ok(Self { rows, labels, classes, lengths: rows.iter().map(|row| dot(row, row).sqrt()).collect() }),
        }
    }

    /// The `count` nearest samples, nearest first; of equal ones the earlier.
    #[must_use]
    pub fn nearest(&self, row: &[f64], count: usize) -> Vec<usize> {
        let own = dot(row, row).sqrt();
        let near = self.rows.iter().zip(&self.lengths).map(|(other, length)| {
            let lengths = own * length;
            if lengths == 0.0 { 0.0 } else { (dot(row, other) / lengths).clamp(-1.0, 1.0) }
        });
        let near: Vec<f64> = near.collect();
        let nearer = |a: &usize, b: &usize| near[*b].total_cmp(&near[*a]).then(a.cmp(b));
        let mut order: Vec<usize> = (0..near.len()).collect();
        // Of thousands a few are wanted: only those are brought into order.
        if (1..order.len()).contains(&count) {
            order.select_nth_unstable_by(count - 1, nearer);
        }
        order.truncate(count);
        order.sort_unstable_by(nearer);
        order
    }

    /// The class that most of the `count` nearest samples have; of classes that come equally often the one that comes first.
    #[must_use]
    pub fn predict(&self, rows: &[Vec<f64>], count: usize) -> Vec<usize> {
        let class = |row: &Vec<f64>| {
            let mut votes = vec![0_usize; self.classes];
            self.nearest(row, count).into_iter().for_each(|sample| votes[self.labels[sample]] += 1);
            (0..self.classes).fold(0, |best, class| if votes[class] > votes[best] { class } else { best })
        };
        rows.iter().map(class).collect()
    }
}
