//! Units of speech: what they tell of labels, how evenly they are used, how far they are from each other.
//!
//! Purities and PNMI as in Hsu et al. 2021, arXiv:2106.07447, section IV-C, with any labels in the place of phones; the unit edit
//! distance of Gat et al. 2022, arXiv:2209.15483, section 3, over a whole corpus.

use std::collections::BTreeMap;

use super::likelihood::entropy;

/// How often units and labels stand together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitCounts {
    /// By unit and label.
    together: BTreeMap<(usize, usize), u64>,
    units: BTreeMap<usize, u64>,
    labels: BTreeMap<usize, u64>,
}

impl UnitCounts {
    /// Of pairs of a unit and a label.
    pub fn of(pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = Self::default();
        for (unit, label) in pairs {
            *counts.together.entry((unit, label)).or_default() += 1;
            *counts.units.entry(unit).or_default() += 1;
            *counts.labels.entry(label).or_default() += 1;
        }
        counts
    }

    /// The number of pairs.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.units.values().sum()
    }

    /// The number of different units.
    #[must_use]
    pub fn used(&self) -> usize {
        self.units.len()
    }

    /// Σ over units of the count of its most frequent label, by all: how right a guess of the label by the unit is. NaN of none.
    #[must_use]
    pub fn purity(&self) -> f64 {
        let mut best = BTreeMap::<usize, u64>::new();
        for ((unit, _), count) in &self.together {
            let most = best.entry(*unit).or_default();
            *most = (*most).max(*count);
        }
        best.values().sum::<u64>() as f64 / self.all() as f64
    }

    /// Σ over labels of the count of its most frequent unit, by all. NaN of none.
    #[must_use]
    pub fn unit_purity(&self) -> f64 {
        let mut best = BTreeMap::<usize, u64>::new();
        for ((_, label), count) in &self.together {
            let most = best.entry(*label).or_default();
            *most = (*most).max(*count);
        }
        best.values().sum::<u64>() as f64 / self.all() as f64
    }

    /// The share of the labels' entropy that units take away, from 0 to 1: I(unit; label) / H(label), which for phones is called
    /// PNMI. NaN where all labels are the same.
    #[must_use]
    pub fn normalised_information(&self) -> f64 {
        let joint = shares(self.together.values());
        let information = self.unit_entropy() + self.label_entropy() - entropy(&joint);
        // Rounding may leave a little less than nothing.
        information.max(0.0) / self.label_entropy()
    }

    /// The entropy of the units in nats: ln of their number where all are as frequent, 0 where there is one.
    #[must_use]
    pub fn unit_entropy(&self) -> f64 {
        entropy(&shares(self.units.values())) + 0.0
    }

    /// The entropy of the labels in nats.
    #[must_use]
    pub fn label_entropy(&self) -> f64 {
        entropy(&shares(self.labels.values()))
    }

    /// The share of the most frequent label: the purity of a single unit.
    #[must_use]
    pub fn majority(&self) -> f64 {
        self.labels.values().max().copied().unwrap_or(0) as f64 / self.all() as f64
    }
}

fn shares<'a>(counts: impl Iterator<Item = &'a u64> + Clone) -> Vec<f64> {
    let all: u64 = counts.clone().sum();
    counts.map(|count| *count as f64 / all as f64).collect()
}

/// Units without blanks and then without repetitions: 1 1 2 2 2 3 becomes 1 2 3, and so does 1 blank 1 2 3: what repeats is how
/// long a unit lasts, whatever stands between.
#[must_use]
pub fn collapsed(units: &[usize], blank: Option<usize>) -> Vec<usize> {
    let mut collapsed: Vec<usize> = units.iter().copied().filter(|unit| Some(*unit) != blank).collect();
    collapsed.dedup();
    collapsed
}

/// The fewest insertions, deletions and replacements that make one sequence the other (Levenshtein 1966).
#[must_use]
pub fn edit_distance<T: PartialEq>(from: &[T], to: &[T]) -> usize {
    let mut distances: Vec<usize> = (0..=to.len()).collect();
    for (row, unit) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut distances[0], row + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(unit != other);
            diagonal = distances[column + 1];
            distances[column + 1] = replaced.min(diagonal + 1).min(distances[column] + 1);
        }
    }
    distances[to.len()]
}

/// Edits from each collapsed sequence to its changed one, by the length of all collapsed sequences together: 0 where nothing
/// changes. It says nothing where units say nothing: constant units have 0 too, so look at their entropy beside it. NaN of none.
#[must_use]
pub fn unit_edit_distance(clean: &[Vec<usize>], changed: &[Vec<usize>]) -> f64 {
    let edits: usize = clean.iter().zip(changed).map(|(clean, changed)| edit_distance(clean, changed)).sum();
    edits as f64 / clean.iter().map(Vec::len).sum::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} where {expected} belongs");
    }

    #[test]
    fn purities_and_information_are_those_of_the_table() {
        // Unit 0: labels 0 0 1; unit 1: labels 1 1; unit 2: label 2.
        let counts = UnitCounts::of([(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (2, 2)]);
        near(counts.purity(), 5.0 / 6.0);
        near(counts.unit_purity(), 5.0 / 6.0);
        near(counts.majority(), 0.5);
        let h = |counts: &[f64]| counts.iter().map(|count| -(count / 6.0) * (count / 6.0).ln()).sum::<f64>();
        near(counts.unit_entropy(), h(&[3.0, 2.0, 1.0]));
        let information = 2.0 * h(&[3.0, 2.0, 1.0]) - h(&[2.0, 1.0, 2.0, 1.0]);
        near(counts.normalised_information(), information / h(&[2.0, 3.0, 1.0]));
        assert_eq!((counts.used(), counts.all()), (3, 6));
    }

    #[test]
    fn units_that_say_everything_and_nothing() {
        let all = UnitCounts::of((0..20).map(|i| (i % 4 + 7, i % 4)));
        near(all.normalised_information(), 1.0);
        near(all.purity(), 1.0);
        near(all.unit_entropy(), 4.0_f64.ln());
        let nothing = UnitCounts::of((0..20).map(|i| (3, i % 4)));
        near(nothing.normalised_information(), 0.0);
        near(nothing.purity(), nothing.majority());
        near(nothing.unit_entropy(), 0.0);
        assert!(UnitCounts::of([]).purity().is_nan() && UnitCounts::of([(1, 1)]).normalised_information().is_nan());
    }

    #[test]
    fn repetitions_and_blanks_go() {
        assert_eq!(collapsed(&[1, 1, 2, 2, 2, 3], None), [1, 2, 3]);
        assert_eq!(collapsed(&[9, 1, 1, 9, 1, 2, 9, 9], Some(9)), [1, 2]);
        assert!(collapsed(&[9, 9], Some(9)).is_empty() && collapsed(&[], None).is_empty());
    }

    #[test]
    fn edits_are_counted_over_the_corpus() {
        let clean = [1, 1, 2, 2, 3, 3, 3].map(|unit| unit as usize);
        let changed = [1, 1, 2, 2, 4, 3].map(|unit| unit as usize);
        let one = |units: &[usize]| vec![collapsed(units, None)];
        near(unit_edit_distance(&one(&clean), &one(&changed)), 1.0 / 3.0);
        near(unit_edit_distance(&one(&clean), &one(&clean)), 0.0);
        // One edit in a sequence of three, none in one of one.
        near(unit_edit_distance(&[vec![1, 2, 3], vec![5]], &[vec![1, 3], vec![5]]), 0.25);
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
        assert_eq!(edit_distance::<u8>(b"", b"abc"), 3);
        assert_eq!(edit_distance(b"abc", b""), 3);
    }
}
