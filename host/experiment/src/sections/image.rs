//! `[data.image]`: which pictures.

use serde::Deserialize;

use crate::schema::{Field, Kind, Schema};

pub(crate) const HEADER: &str = "[data.image]";
pub(crate) const INTRO: &str = "Which pictures. The synthetic ones are smooth random blobs of colour with noise, a function of `seed` \
    and the picture's number: enough to try a model's speed and wiring, with nothing to download.";

/// The `[data.image]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataImage {
    /// Where pictures come from.
    pub source: Source,
    /// What synthetic samples are made from, beside their numbers.
    pub seed: u64,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Colours of a pixel.
    pub channels: usize,
    /// Pictures to learn from.
    pub samples: usize,
    /// Further pictures to measure on; 0 for none.
    pub valid_samples: usize,
    /// Shuffle the order in each epoch.
    pub shuffle: bool,
}

/// Where pictures or sounds come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Made from random numbers.
    Synthetic,
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Integer, Text};
    let size = |name, doc| Field::new(name, Integer, doc).or(32).at_least(1.0).at_most(4096.0);
    Schema {
        fields: vec![
            Field::new("source", Text, "Where the pictures come from.").or("synthetic").one_of(&["synthetic"]),
            Field::new("seed", Integer, "What synthetic samples are made from, beside their numbers; apart from the run's seed, so that runs are compared on the same data.").or(0).at_least(0.0),
            size("height", "Pixels from top to bottom."),
            size("width", "Pixels from left to right."),
            Field::new("channels", Integer, "Colours of a pixel.").or(3).at_least(1.0).at_most(64.0),
            Field::new("samples", Integer, "Pictures to learn from.").or(10_000).at_least(1.0).at_most(4e9),
            Field::new("valid_samples", Integer, "Further pictures to measure on; 0 for none.").or(512).at_least(0.0).at_most(4e9),
            Field::new("shuffle", Bool, "Shuffle the order in each epoch, by the run's seed.").or(true),
        ],
    }
}
