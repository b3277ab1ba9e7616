//! `[checkpoint]`: what is saved, how often, and what is kept.

use serde::Deserialize;

use crate::schema::{Field, Kind, Schema};

pub(crate) const HEADER: &str = "[checkpoint]";
pub(crate) const INTRO: &str = "What is saved, how often, and what is kept. Changes no result.";

/// The `[checkpoint]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps between two checkpoints; 0 saves only at the end.
    pub every_steps: u64,
    /// Checkpoints at multiples of this are kept for good; 0 keeps none for good.
    pub keep_every_steps: u64,
    /// The newest so many are kept, at least 1.
    pub keep_last: usize,
    /// Keep the one with the least held-out loss.
    pub best: bool,
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Integer};
    Schema {
        fields: vec![
            Field::new("every_steps", Integer, "Steps between two checkpoints; 0 saves only at the end.")
                .or(0)
                .at_least(0.0),
            Field::new(
                "keep_every_steps",
                Integer,
                "Checkpoints at multiples of this are kept for good; 0 keeps none for good.",
            )
            .or(0)
            .at_least(0.0),
            Field::new("keep_last", Integer, "The newest so many are kept.").or(1).at_least(1.0),
            Field::new("best", Bool, "Keep the one with the least held-out loss.").or(true),
        ],
    }
}
