//! Trainable weights that get no gradient: most often a fault in a model or an objective.

use std::collections::{BTreeMap, BTreeSet};

use super::Weights;

/// Counts the steps since each trainable weight last got a gradient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GradientWatch {
    /// By weight name: steps since the last gradient, and whether there ever was one.
    seen: BTreeMap<String, (u64, bool)>,
}

impl GradientWatch {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the leaves that got a gradient in one step. Frozen, tied and `sometimes` weights are not counted.
    pub fn observe(&mut self, weights: &Weights, leaves: impl IntoIterator<Item = u64>) {
        let leaves: BTreeSet<u64> = leaves.into_iter().collect();
        for weight in weights.trainable() {
            if weight.sometimes() {
                continue;
            }
            let entry = self.seen.entry(weight.name().to_owned()).or_default();
            *entry = if leaves.contains(&weight.leaf().id()) { (0, true) } else { (entry.0 + 1, entry.1) };
        }
    }

    /// Names of the weights still trainable that have gone without a gradient for `steps` steps or more, sorted.
    #[must_use]
    pub fn overdue(&self, weights: &Weights, steps: u64) -> Vec<String> {
        self.names(weights, |(since, _)| since >= steps.max(1))
    }

    /// Names of the weights still trainable that never got a gradient, sorted.
    #[must_use]
    pub fn never(&self, weights: &Weights) -> Vec<String> {
        self.names(weights, |(_, ever)| !ever)
    }

    fn names(&self, weights: &Weights, keep: impl Fn((u64, bool)) -> bool) -> Vec<String> {
        let trainable: BTreeSet<String> = weights.trainable().iter().map(|weight| weight.name().to_owned()).collect();
        let found = self.seen.iter().filter(|(name, seen)| keep(**seen) && trainable.contains(*name));
        found.map(|(name, _)| name.clone()).collect()
    }

    /// The counts by name (steps since the last gradient, whether there ever was one), for a checkpoint.
    #[must_use]
    pub fn state(&self) -> Vec<(String, u64, bool)> {
        self.seen.iter().map(|(name, (since, ever))| (name.clone(), *since, *ever)).collect()
    }

    /// The watch with these counts.
    #[must_use]
    pub fn from_state(state: impl IntoIterator<Item = (String, u64, bool)>) -> Self {
        Self { seen: state.into_iter().map(|(name, since, ever)| (name, (since, ever))).collect() }
    }
}
