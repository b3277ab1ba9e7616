//! `[[evaluate]]`: what is measured while and after training.

use serde::Deserialize;

use crate::schema::{Field, Kind, Schema};

pub(crate) const HEADER: &str = "[[evaluate]]";
pub(crate) const INTRO: &str = "What is measured on held-out data; give the section once for each measurement, `evaluate.0`, `evaluate.1` on \
    the command line.";

/// An `[[evaluate]]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// The evaluator: the key `use`.
    #[serde(rename = "use")]
    pub name: String,
    /// Steps between two measurements; 0 measures only at the end.
    pub every_steps: u64,
    /// At most so many batches; none means all.
    pub batches: Option<u64>,
}

pub(crate) fn schema() -> Schema {
    Schema {
        fields: vec![
            Field::new("use", Kind::Text, "The evaluator; `loss` is the objective's own loss and metrics.")
                .or("loss")
                .one_of(&["loss"]),
            Field::new("every_steps", Kind::Integer, "Steps between two measurements; 0 measures only at the end.")
                .or(0)
                .at_least(0.0),
            Field::new("batches", Kind::Integer, "Batches to measure on; left out, all.").optional().at_least(1.0),
        ],
    }
}
