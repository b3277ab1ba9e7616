//! Figures of predicted classes, as scikit-learn defines them.

use std::collections::BTreeSet;

use super::correlation::ranks;

/// Precision, recall and their harmonic mean, each from 0 to 1; 0 where nothing was predicted, or nothing was to be found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// The share of what was predicted that is right.
    pub precision: f64,
    /// The share of what was to be found that was predicted.
    pub recall: f64,
    /// 2 · precision · recall / (precision + recall).
    pub f1: f64,
}

impl Scores {
    /// Of so many right ones among so many predicted and so many to be found.
    #[must_use]
    pub fn of_counts(right: usize, predicted: usize, to_find: usize) -> Self {
        let share = |whole: usize| if whole == 0 { 0.0 } else { right as f64 / whole as f64 };
        let both = predicted + to_find;
        let f1 = if both == 0 { 0.0 } else { 2.0 * right as f64 / both as f64 };
        Self { precision: share(predicted), recall: share(to_find), f1 }
    }
}

/// The share of samples whose predicted class is the labelled one.
#[must_use]
pub fn accuracy(predicted: &[usize], labels: &[usize]) -> f64 {
    let right = predicted.iter().zip(labels).filter(|(a, b)| a == b).count();
    right as f64 / predicted.len().min(labels.len()) as f64
}

/// Precision, recall and F1 of one class against all others.
#[must_use]
pub fn scores_of_class(predicted: &[usize], labels: &[usize], class: usize) -> Scores {
    let count = |classes: &[usize]| classes.iter().filter(|other| **other == class).count();
    let right = predicted.iter().zip(labels).filter(|(a, b)| a == b && **a == class).count();
    Scores::of_counts(right, count(predicted), count(labels))
}

/// F1 of one class against all others; of two classes, 1 is usually the one meant.
#[must_use]
pub fn f1(predicted: &[usize], labels: &[usize], class: usize) -> f64 {
    scores_of_class(predicted, labels, class).f1
}

/// The mean of the F1 of all classes that are predicted or labelled.
#[must_use]
pub fn macro_f1(predicted: &[usize], labels: &[usize]) -> f64 {
    let classes: BTreeSet<usize> = predicted.iter().chain(labels).copied().collect();
    classes.iter().map(|class| f1(predicted, labels, *class)).sum::<f64>() / classes.len() as f64
}

/// F1 over the decisions of all classes together: with one class for each sample, the accuracy.
#[must_use]
pub fn micro_f1(predicted: &[usize], labels: &[usize]) -> f64 {
    accuracy(predicted, labels)
}

/// The correlation of predicted and labelled classes, from −1 to 1 (Matthews 1975; several classes: Gorodkin 2004); 0 where one
/// of the two is constant.
#[must_use]
pub fn matthews(predicted: &[usize], labels: &[usize]) -> f64 {
    let samples = predicted.len().min(labels.len()) as f64;
    let right = predicted.iter().zip(labels).filter(|(a, b)| a == b).count() as f64;
    let classes: BTreeSet<usize> = predicted.iter().chain(labels).copied().collect();
    let counts = |of: &[usize]| {
        classes.iter().map(|class| of.iter().filter(|other| *other == class).count() as f64).collect::<Vec<f64>>()
    };
    let (of_predicted, of_labels) = (counts(predicted), counts(labels));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let above = right * samples - product(&of_predicted, &of_labels);
    let spread = |counts: &[f64]| samples * samples - product(counts, counts);
    let below = (spread(&of_predicted) * spread(&of_labels)).sqrt();
    if below == 0.0 { 0.0 } else { above / below }
}

/// The area under the ROC curve: how often a positive sample scores above a negative one, ties counting half (Mann and Whitney
/// 1947). NaN without samples of both kinds.
#[must_use]
pub fn auc(scores: &[f64], positive: &[bool]) -> f64 {
    let positives = positive.iter().filter(|positive| **positive).count() as f64;
    let negatives = positive.len() as f64 - positives;
    let ranks_of_positives: f64 = ranks(scores).iter().zip(positive).filter(|(_, is)| **is).map(|(rank, _)| rank).sum();
    (ranks_of_positives - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}
