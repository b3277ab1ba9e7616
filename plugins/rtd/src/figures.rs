//! How well a discriminator tells replaced tokens from others, over all held-out positions.

use plugin_api::metrics::auc;
use plugin_api::prelude::*;

/// The item with a logit for each position.
pub(crate) const LOGIT: &str = "logit";
/// The item that says of each position whether it was replaced.
pub(crate) const REPLACED: &str = "replaced";
/// The item that says of each position whether it was chosen, replaced or not.
pub(crate) const CHOSEN: &str = "chosen";

/// The area under the ROC curve at all positions (`auc`) and at the chosen ones alone (`auc_chosen`); precision and recall of
/// "replaced" at all positions, where a logit above 0 says so. What cannot be told, for want of either kind, is left out.
pub(crate) fn figures(items: &Items) -> Result<Vec<(String, f64)>> {
    let column = |name| -> Result<Vec<f64>> { Ok(items.lists(name)?.concat()) };
    let (logits, replaced, chosen) = (column(LOGIT)?, column(REPLACED)?, column(CHOSEN)?);
    let replaced: Vec<bool> = replaced.iter().map(|value| *value != 0.0).collect();
    let at: Vec<usize> = (0..chosen.len()).filter(|&row| chosen[row] != 0.0).collect();
    let (logits_c, replaced_c): (Vec<f64>, Vec<bool>) = at.iter().map(|&row| (logits[row], replaced[row])).unzip();
    let said = logits.iter().filter(|logit| **logit > 0.0).count() as f64;
    let right = logits.iter().zip(&replaced).filter(|(logit, replaced)| **logit > 0.0 && **replaced).count() as f64;
    let there = replaced.iter().filter(|replaced| **replaced).count() as f64;
    let figures = [
        ("auc", auc(&logits, &replaced)),
        ("auc_chosen", auc(&logits_c, &replaced_c)),
        ("precision", right / said),
        ("recall", right / there),
    ];
    Ok(figures
        .into_iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn figures_are_those_of_all_positions_together() {
        let lists = |values: [[f64; 3]; 2]| values.map(|row| row.to_vec()).to_vec();
        let items = Items::new(vec![0, 1]).with_lists(LOGIT, lists([[2.0, -1.0, 0.5], [-2.0, -0.5, 1.0]])).unwrap();
        let items = items.with_lists(REPLACED, lists([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])).unwrap();
        let items = items.with_lists(CHOSEN, lists([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])).unwrap();
        // Replaced 2.0, -0.5; others -1.0, 0.5, -2.0, 1.0: 4 + 2 of 8 pairs in order; at the chosen 1 of 2.
        let wanted = [("auc", 0.75), ("auc_chosen", 0.5), ("precision", 1.0 / 3.0), ("recall", 0.5)];
        let found = figures(&items).unwrap();
        assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), value)));
        let none = Items::new(vec![0]).with_lists(LOGIT, vec![vec![1.0]]).unwrap();
        let none = none.with_lists(REPLACED, vec![vec![0.0]]).unwrap().with_lists(CHOSEN, vec![vec![0.0]]).unwrap();
        assert_eq!(figures(&none).unwrap(), [("precision".to_owned(), 0.0)], "nothing to tell apart");
    }
}
