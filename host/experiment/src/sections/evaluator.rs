//! `[evaluator]`: what is measured, in the place of `[objective]`.

use crate::check::Checked;
use crate::error::Error;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;
use crate::sections::objective::Objective;
use crate::sections::plugin::PluginTable;
use crate::table::Table;

pub(crate) const HEADER: &str = "[evaluator]";
pub(crate) const INTRO: &str = "What is measured, in the place of `[objective]`: nothing is trained then, so `[optimizer]`, `[schedule]`, \
    `[[evaluate]]` and `[checkpoint]` have no place beside it, and `[run]` needs no steps. Measured is on the held-out data or, where \
    there is none and the evaluator fits nothing, on `files`. Every other key is a setting of the evaluator: `lacuna plugins info EVALUATOR` \
    lists them.";
const HOST_KEYS: &[&str] = &["use", "batches"];
/// Sections that only training reads.
const OF_TRAINING: [&str; 5] = ["objective", "optimizer", "schedule", "evaluate", "checkpoint"];

pub(crate) fn schema() -> Schema {
    Schema {
        fields: vec![
            Field::new("use", Kind::Text, "The evaluator, by the name of its plugin."),
            Field::new("batches", Kind::Integer, "Batches to measure on; left out, all.").optional().at_least(1.0),
        ],
    }
}

/// Reads the section of a file that has one; the host's keys are checked, the plugin's are kept.
pub(crate) fn read(root: &Table, section: &Table) -> Result<(Objective, Checked), Error> {
    for name in OF_TRAINING {
        if let Some(node) = root.get(name) {
            return Err(Error::Type {
                what: "the experiment".into(),
                name: name.into(),
                expected: format!("left out beside `{HEADER}`, which trains nothing"),
                found: node.in_words(),
                place: node.source.clone().into(),
            });
        }
    }
    let checked = schema().check_with_sources(&in_words(HEADER), &section.only(HOST_KEYS), &[])?;
    let name = checked.text("use").unwrap_or_default().to_owned();
    let plugin = PluginTable::new(format!("evaluator `{name}`"), section, HOST_KEYS);
    let batches = checked.values["batches"].as_u64();
    Ok((Objective { name, evaluator: true, batches, plugin }, checked))
}
