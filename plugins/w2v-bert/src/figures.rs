//! What the units of all held-out rows tell: how many are in use, and how much they say of what is spoken.

use plugin_api::metrics::UnitCounts;
use plugin_api::prelude::*;

/// Use of the units; where rows have labels purity and normalised information about them; and the same of the units that came with
/// the data.
pub(crate) fn of_units(items: &Items) -> Result<Vec<(String, f64)>> {
    let named = |name: &str| items.names().any(|known| known == name);
    let units = items.lists("units")?;
    let nothing: Vec<Vec<f64>> = units.iter().map(|rows| vec![0.0; rows.len()]).collect();
    let all = counts(units, &nothing);
    let turned = counts(&nothing, units);
    let mut figures = vec![
        ("code_perplexity".to_owned(), all.unit_entropy().exp()),
        ("codes_used".to_owned(), all.used() as f64),
        // The accuracy of always predicting the most frequent unit.
        ("majority_accuracy".to_owned(), turned.majority()),
    ];
    if named("labels") {
        let labels = items.lists("labels")?;
        let own = counts(units, labels);
        figures.push(("purity".into(), own.purity()));
        figures.push(("pnmi".into(), own.normalised_information()));
        if named("given_units") {
            let given = counts(items.lists("given_units")?, labels);
            figures.push(("given_purity".into(), given.purity()));
            figures.push(("given_pnmi".into(), given.normalised_information()));
            figures.push(("pnmi_gain".into(), own.normalised_information() - given.normalised_information()));
        }
    }
    figures.retain(|(_, value)| value.is_finite());
    Ok(figures)
}

/// Units beside labels, row by row; rows without a label (below 0: silence) are passed over.
fn counts(units: &[Vec<f64>], labels: &[Vec<f64>]) -> UnitCounts {
    let rows = units.iter().zip(labels).flat_map(|(units, labels)| units.iter().zip(labels));
    UnitCounts::of(rows.filter(|(_, label)| **label >= 0.0).map(|(unit, label)| (*unit as usize, *label as usize)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn figure(items: &Items, name: &str) -> f64 {
        let figures = of_units(items).unwrap();
        figures.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {figures:?}")).1
    }

    #[test]
    fn units_are_held_against_labels_and_other_units() {
        let items = Items::new(vec![1, 2]).with_lists("units", vec![vec![0.0, 0.0, 1.0], vec![1.0]]).unwrap();
        assert!((figure(&items, "code_perplexity") - 2.0).abs() < 1e-12);
        assert_eq!((figure(&items, "codes_used"), figure(&items, "majority_accuracy")), (2.0, 0.5));
        let items = items.with_lists("labels", vec![vec![3.0, 3.0, -100.0], vec![7.0]]).unwrap();
        assert_eq!((figure(&items, "purity"), figure(&items, "pnmi")), (1.0, 1.0));
        let items = items.with_lists("given_units", vec![vec![5.0, 5.0, 5.0], vec![5.0]]).unwrap();
        assert_eq!((figure(&items, "given_pnmi"), figure(&items, "pnmi_gain")), (0.0, 1.0));
    }
}
