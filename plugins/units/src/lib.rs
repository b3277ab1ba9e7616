//! What units of speech tell: the digit or phone under them, its part, the whole word, and whether they survive a change of the sound.
//!
//! Purity and normalised information as in Hsu et al. 2021, arXiv:2106.07447, section IV-C; the unit edit distance of Gat et al.
//! 2022, arXiv:2209.15483, section 3. The units come with the data. Axes: b sounds, n rows.

mod spoken;

use plugin_api::metrics::{UnitCounts, accuracy, collapsed, unit_edit_distance};
use plugin_api::prelude::*;
use plugin_api::probe::Logistic;

use spoken::{Sound, sounds};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct UnitsSettings {
    /// Equal parts of a clip that are told apart, beside its label.
    #[setting(default = 3, range = 1..=1000)]
    parts: usize,
    /// Read the label of each clip off how often it has each unit, by logistic regression on the training sounds.
    #[setting(default = true)]
    bags: bool,
    /// Weight of Σ weight² / 2 beside the sum of the losses of that regression.
    #[setting(default = 1.0, range = 0.0..=1e9)]
    penalty: f64,
}

/// The evaluator.
pub struct Units {
    settings: UnitsSettings,
    units: usize,
    blank: Option<usize>,
    /// The number of labels; 0 where the sounds have none.
    labels: usize,
}

impl Evaluator for Units {
    type Settings = UnitsSettings;

    fn new(settings: UnitsSettings, scope: &Scope) -> Result<Self> {
        let Sounds { units, blank, .. } = scope.sounds()?;
        if units == 0 {
            return Err(Error::data("the sounds have no units").help("find some: `data.audio.units = 100`"));
        }
        let labels = match scope.label_kind("audio")? {
            Some(_) => scope.labels("audio")?.len(),
            None => 0,
        };
        Ok(Self { settings, units, blank, labels })
    }

    fn uses_training(&self) -> bool {
        self.settings.bags && self.labels > 0
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let layout = batch.layout("audio")?;
        let mut loss = Loss::new().item_rows("units", &batch.tensor("audio.units")?, &layout);
        if self.labels > 0 {
            let (labels_n, places_n) = (batch.tensor("audio.row_labels")?, batch.tensor("audio.row_places")?);
            loss = loss.item_rows_for_figures("labels", &labels_n, &layout);
            loss = loss.item_rows_for_figures("places", &places_n, &layout);
        }
        if let Some(changed_n) = batch.get("audio.changed_units")? {
            let changed = Layout::new(&batch.tensor("audio.changed_rows")?);
            loss = loss.item_rows("changed", &changed_n, &changed);
        }
        Ok(loss)
    }

    fn figures(&self, training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let sounds = sounds(held_out)?;
        let mut figures = Figured::default();
        let counts = self.counted(&sounds, |_| Some(0));
        figures.add("entropy", counts.unit_entropy());
        figures.add("perplexity", counts.unit_entropy().exp());
        figures.add("used", counts.used() as f64);
        let rows: usize = sounds.iter().map(|sound| sound.units.len()).sum();
        let tokens: usize = sounds.iter().map(|sound| collapsed(&sound.units, self.blank).len()).sum();
        figures.add("rows_per_token", rows as f64 / tokens as f64);
        if self.labels > 0 {
            self.labelled(&sounds, &mut figures);
        }
        if let Some(training) = training {
            self.bags(training, held_out, &mut figures)?;
        }
        if held_out.names().any(|name| name == "changed") {
            figures.add("ued", self.distance(&sounds, held_out, &counts)?);
        }
        Ok(figures.0)
    }
}

/// Figures so far; what cannot be told from these samples is left out.
#[derive(Default)]
struct Figured(Vec<(String, f64)>);

impl Figured {
    fn add(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.0.push((name.to_owned(), value));
        }
    }
}

impl Units {
    /// Units beside what `label` says of their rows; blanks, and rows of which it says nothing, are passed over.
    fn counted(&self, sounds: &[Sound], label: impl Fn(&spoken::Row) -> Option<usize>) -> UnitCounts {
        let rows = sounds.iter().flat_map(Sound::rows).filter(|row| Some(row.unit) != self.blank);
        UnitCounts::of(rows.filter_map(|row| label(&row).map(|label| (row.unit, label))))
    }

    fn labelled(&self, sounds: &[Sound], figures: &mut Figured) {
        let parts = self.settings.parts;
        let part = |row: &spoken::Row| Some(row.label? * parts + ((row.place * parts as f64) as usize).min(parts - 1));
        let counts = self.counted(sounds, |row| row.label);
        figures.add("purity", counts.purity());
        figures.add("majority", counts.majority());
        figures.add("unit_purity", counts.unit_purity());
        figures.add("pnmi", counts.normalised_information());
        let counts = self.counted(sounds, part);
        figures.add("part_purity", counts.purity());
        figures.add("part_majority", counts.majority());
        figures.add("part_pnmi", counts.normalised_information());
        // The first row of each unit that lasts: as units are where repetitions are dropped.
        let firsts = sounds.iter().flat_map(|sound| sound.tokens(self.blank));
        let counts = UnitCounts::of(firsts.filter_map(|row| Some((row.unit, row.label?))));
        figures.add("token_purity", counts.purity());
        figures.add("token_pnmi", counts.normalised_information());
    }

    /// How often the label of a clip is read off its bag of units, the shares of its rows that have each.
    fn bags(&self, training: &Items, held_out: &Items, figures: &mut Figured) -> Result<()> {
        let of = |items: &Items| -> Result<(Vec<Vec<f64>>, Vec<usize>)> {
            Ok(sounds(items)?.iter().flat_map(|sound| sound.bags(self.units, self.blank)).unzip())
        };
        let ((seen, labels), (new, truth)) = (of(training)?, of(held_out)?);
        let found = Logistic::fit(&seen, &labels, self.labels, self.settings.penalty)?.predict(&new);
        figures.add("bag_accuracy", accuracy(&found, &truth));
        Ok(())
    }

    /// The unit edit distance; a single unit has none that would say anything.
    fn distance(&self, sounds: &[Sound], held_out: &Items, counts: &UnitCounts) -> Result<f64> {
        if counts.used() < 2 {
            let purity = self.counted(sounds, |row| row.label).purity();
            let fact = format!(
                "all rows have the same unit (entropy {:.3}, purity {purity:.3}), so that no change of the sound could change it",
                counts.unit_entropy()
            );
            return Err(
                Error::data(fact).help("an edit distance of 0 would say nothing: look at how the units were learnt")
            );
        }
        let clean: Vec<Vec<usize>> = sounds.iter().map(|sound| collapsed(&sound.units, self.blank)).collect();
        let changed = held_out.lists("changed")?.iter().map(|units| collapsed(&spoken::whole(units), self.blank));
        Ok(unit_edit_distance(&clean, &changed.collect::<Vec<_>>()))
    }
}

export_plugin! { name: "units", provides: [Evaluator<Units>] }

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn units(blank: Option<usize>) -> Units {
        let settings = UnitsSettings { parts: 3, bags: true, penalty: 0.01 };
        Units { settings, units: 10, blank, labels: 2 }
    }

    fn items(units: &[&[f64]], labels: &[&[f64]], places: &[&[f64]]) -> Items {
        let lists = |rows: &[&[f64]]| rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>();
        let items = Items::new((0..units.len() as u64).collect()).with_lists("units", lists(units)).unwrap();
        items.with_lists("labels", lists(labels)).unwrap().with_lists("places", lists(places)).unwrap()
    }

    fn figure(figures: &[(String, f64)], name: &str) -> f64 {
        figures.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {figures:?}")).1
    }

    const LABELS: [f64; 7] = [0.0, 0.0, 0.0, -100.0, 1.0, 1.0, 1.0];
    const PLACES: [f64; 7] = [0.0, 0.4, 0.8, -1.0, 0.1, 0.5, 0.9];

    #[test]
    fn silence_is_passed_over_and_parts_are_told_apart() {
        let held_out = items(&[&[1.0, 1.0, 2.0, 5.0, 3.0, 3.0, 4.0]], &[&LABELS], &[&PLACES]);
        let figures = units(None).figures(Some(&held_out), &held_out).unwrap();
        assert_eq!(figure(&figures, "purity"), 1.0);
        assert_eq!(figure(&figures, "majority"), 0.5);
        assert!((figure(&figures, "part_purity") - 4.0 / 6.0).abs() < 1e-12);
        assert!((figure(&figures, "part_majority") - 1.0 / 6.0).abs() < 1e-12);
        assert_eq!(figure(&figures, "used"), 5.0);
        assert_eq!(figure(&figures, "bag_accuracy"), 1.0);
        assert!((figure(&figures, "rows_per_token") - 7.0 / 5.0).abs() < 1e-12);
        assert!(figures.iter().all(|(name, _)| name != "ued"));
    }

    #[test]
    fn blanks_are_no_units() {
        let held_out = items(&[&[9.0, 1.0, 9.0, 9.0, 9.0, 3.0, 9.0]], &[&LABELS], &[&PLACES]);
        let figures = units(Some(9)).figures(None, &held_out).unwrap();
        assert_eq!((figure(&figures, "used"), figure(&figures, "purity")), (2.0, 1.0));
        assert_eq!(figure(&figures, "rows_per_token"), 3.5);
    }

    #[test]
    fn a_change_that_changes_nothing_is_told_from_units_that_say_nothing() {
        let held_out = items(&[&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0]], &[&LABELS], &[&PLACES]);
        let with = |changed: &[f64]| held_out.clone().with_lists("changed", vec![changed.to_vec()]).unwrap();
        let ued = |changed: &[f64]| figure(&units(None).figures(None, &with(changed)).unwrap(), "ued");
        assert_eq!(ued(&[1.0, 2.0, 2.0, 2.0, 3.0]), 0.0);
        assert!((ued(&[1.0, 1.0, 2.0, 2.0, 4.0, 3.0]) - 1.0 / 3.0).abs() < 1e-12);
        let constant = items(&[&[1.0; 7]], &[&LABELS], &[&PLACES]).with_lists("changed", vec![vec![1.0; 5]]).unwrap();
        let error = units(None).figures(None, &constant).unwrap_err();
        assert!(error.text().contains("entropy 0.000, purity 0.500"), "{}", error.text());
    }
}
