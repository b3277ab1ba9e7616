//! Sounds row by row: the unit, what is said there, and how far it is said.

use plugin_api::prelude::*;

/// One row of a sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub(crate) unit: usize,
    /// The label of the clip; `None` in silence.
    pub(crate) label: Option<usize>,
    /// The share of the clip that has passed.
    pub(crate) place: f64,
}

/// The rows of one sound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sound {
    pub(crate) units: Vec<usize>,
    labels: Vec<Option<usize>>,
    places: Vec<f64>,
}

/// Numbers of items as units.
pub(crate) fn whole(units: &[f64]) -> Vec<usize> {
    units.iter().map(|unit| *unit as usize).collect()
}

/// The sounds of measured items: `units`, and where there are such `labels` (below 0 in silence) and `places`.
pub(crate) fn sounds(items: &Items) -> Result<Vec<Sound>> {
    let labelled = items.names().any(|name| name == "labels");
    let (labels, places) = if labelled { (items.lists("labels")?, items.lists("places")?) } else { (&[][..], &[][..]) };
    let one = |(number, units): (usize, &Vec<f64>)| {
        let units = whole(units);
        let label = |label: &f64| (*label >= 0.0).then_some(*label as usize);
        Sound {
            labels: labels.get(number).map_or(vec![None; units.len()], |labels| labels.iter().map(label).collect()),
            places: places.get(number).map_or(vec![0.0; units.len()], Clone::clone),
            units,
        }
    };
    Ok(items.lists("units")?.iter().enumerate().map(one).collect())
}

impl Sound {
    /// Row by row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        let parts = self.units.iter().zip(&self.labels).zip(&self.places);
        parts.map(|((unit, label), place)| Row { unit: *unit, label: *label, place: *place })
    }

    /// The first row of each unit that lasts, without blanks.
    pub(crate) fn tokens(&self, blank: Option<usize>) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows().filter(|row| Some(row.unit) != blank).collect();
        rows.dedup_by_key(|row| row.unit);
        rows
    }

    /// Of each clip the shares of its rows that have each unit, and its label. A clip ends where silence or another label begins,
    /// or where as much has passed as before again.
    pub(crate) fn bags(&self, units: usize, blank: Option<usize>) -> Vec<(Vec<f64>, usize)> {
        let rows: Vec<Row> = self.rows().collect();
        let clips = rows.chunk_by(|before, after| before.label == after.label && before.place < after.place);
        let bag = |clip: &[Row]| {
            let mut bag = vec![0.0; units];
            for row in clip.iter().filter(|row| Some(row.unit) != blank) {
                if let Some(share) = bag.get_mut(row.unit) {
                    *share += 1.0 / clip.len() as f64;
                }
            }
            Some((bag, clip.first()?.label?))
        };
        clips.filter_map(bag).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_of_one_label_after_each_other_are_two() {
        let sound = Sound {
            units: vec![1, 1, 2, 2, 0, 1],
            labels: vec![Some(4), Some(4), Some(4), Some(4), None, Some(3)],
            places: vec![0.2, 0.7, 0.1, 0.5, -1.0, 0.3],
        };
        let bags = sound.bags(3, None);
        assert_eq!(bags, [(vec![0.0, 1.0, 0.0], 4), (vec![0.0, 0.0, 1.0], 4), (vec![0.0, 1.0, 0.0], 3)]);
        assert_eq!(sound.bags(3, Some(1))[2].0, [0.0; 3]);
        let tokens: Vec<usize> = sound.tokens(Some(0)).iter().map(|row| row.unit).collect();
        assert_eq!(tokens, [1, 2, 1]);
    }
}
