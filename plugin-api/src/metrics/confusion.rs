//! Which class was taken for which, counted over pixels, and what follows from it.

use crate::error::{Error, Result};

/// Counts by labelled class (row) and predicted class (column).
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<f64>,
}

impl Confusion {
    /// Of so many classes, nothing counted.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0.0; classes * classes] }
    }

    /// Adds counts `[classes · classes]`, row by row.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn add(&mut self, counts: &[f64]) -> Result<()> {
        if counts.len() != self.counts.len() {
            let text = format!("{} counts of {} classes, not {}", counts.len(), self.classes, self.counts.len());
            return Err(Error::data(text));
        }
        self.counts.iter_mut().zip(counts).for_each(|(own, more)| *own += more);
        Ok(())
    }

    /// Intersection over union of a class: right ones by those labelled or predicted so (Jaccard 1912); `None` of a class that is
    /// neither.
    #[must_use]
    pub fn iou(&self, class: usize) -> Option<f64> {
        let labelled: f64 = self.row(class).iter().sum();
        let predicted: f64 = (0..self.classes).map(|row| self.row(row)[class]).sum();
        let right = self.row(class)[class];
        let union = labelled + predicted - right;
        (union > 0.0).then(|| right / union)
    }

    /// The mean of [`Confusion::iou`] over the classes that have one, as `jaccard_score(average="macro")` of scikit-learn; NaN of
    /// none.
    #[must_use]
    pub fn mean_iou(&self) -> f64 {
        let of_classes: Vec<f64> = (0..self.classes).filter_map(|class| self.iou(class)).collect();
        super::mean(&of_classes)
    }

    /// The share of all that is right; NaN of nothing.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right: f64 = (0..self.classes).map(|class| self.row(class)[class]).sum();
        right / self.counts.iter().sum::<f64>()
    }

    /// The same counts as if everything were predicted to be what is labelled most often.
    #[must_use]
    pub fn majority(&self) -> Self {
        let labelled: Vec<f64> = (0..self.classes).map(|class| self.row(class).iter().sum()).collect();
        let most = (0..self.classes).fold(0, |best, class| if labelled[class] > labelled[best] { class } else { best });
        let mut counts = vec![0.0; self.counts.len()];
        labelled.iter().enumerate().for_each(|(class, count)| counts[class * self.classes + most] = *count);
        Self { classes: self.classes, counts }
    }

    fn row(&self, class: usize) -> &[f64] {
        &self.counts[class * self.classes..][..self.classes]
    }
}
