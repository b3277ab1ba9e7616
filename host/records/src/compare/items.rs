//! What a figure is of each item, so that two runs can be compared item by item.

use std::collections::BTreeMap;

use super::standing::ItemScores;
use crate::error::Result;
use crate::items::{ItemRow, ItemValue, read_items};
use crate::metrics::Row;
use crate::report::{metric_names, splits};
use crate::run_folder::RunFolder;

/// Names under which a run keeps what it should have found.
const TARGETS: [&str; 3] = ["label", "target", "gold"];
/// Figures that are the mean of being right.
const RIGHT: [&str; 2] = ["accuracy", "acc"];
/// Names of being right.
const CORRECT: &str = "correct";

/// For each `SPLIT.METRIC` that is a mean over items, each item's part in it.
pub(super) fn scores(run: &RunFolder, rows: &[Row]) -> Result<BTreeMap<String, ItemScores>> {
    let mut all = BTreeMap::new();
    for split in splits(rows) {
        let path = run.items_path(&split);
        if !path.is_file() {
            continue;
        }
        let items = read_items(&path)?;
        for metric in metric_names(rows) {
            if let Some(found) = of_metric(&items, &metric) {
                all.insert(format!("{split}.{metric}"), found);
            }
        }
    }
    Ok(all)
}

/// An item of the metric's own name; for an accuracy also whether prediction and target are equal.
fn of_metric(items: &[ItemRow], metric: &str) -> Option<ItemScores> {
    let number = |item: &ItemRow, name: &str| match item.get(name) {
        Some(ItemValue::Number(number)) if number.is_finite() => Some(*number),
        _ => None,
    };
    let right = |item: &ItemRow| {
        let target = TARGETS.iter().find_map(|name| number(item, name))?;
        Some(f64::from(u8::from(number(item, "prediction")? == target)))
    };
    let score = |item: &ItemRow| {
        let own = number(item, metric);
        let is_right = RIGHT.contains(&metric);
        own.or_else(|| number(item, CORRECT).filter(|_| is_right)).or_else(|| right(item).filter(|_| is_right))
    };
    let scores: ItemScores = items.iter().filter_map(|item| Some((item.sample, score(item)?))).collect();
    (!scores.is_empty()).then_some(scores)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn item(sample: u64, values: &[(&str, f64)]) -> ItemRow {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), ItemValue::Number(*value))).collect();
        ItemRow { sample, values }
    }

    #[test]
    fn an_accuracy_is_being_right_and_others_go_by_their_name() {
        let items = [
            item(7, &[("prediction", 1.0), ("label", 1.0), ("loss", 0.5)]),
            item(3, &[("prediction", 0.0), ("label", 2.0), ("loss", f64::NAN)]),
        ];
        assert_eq!(of_metric(&items, "accuracy").unwrap(), ItemScores::from([(3, 0.0), (7, 1.0)]));
        assert_eq!(of_metric(&items, "loss").unwrap(), ItemScores::from([(7, 0.5)]));
        assert_eq!(of_metric(&items, "spearman"), None);
        assert_eq!(of_metric(&[item(1, &[("correct", 1.0)])], "accuracy").unwrap()[&1], 1.0);
    }
}
