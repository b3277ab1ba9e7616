//! `[data.audio]`: which sounds.

use serde::Deserialize;

use crate::check::Checked;
use crate::error::Error;
use crate::schema::{Field, Kind, Schema};
use crate::sections::image::Source;
use crate::sections::in_words;

pub(crate) const HEADER: &str = "[data.audio]";
pub(crate) const INTRO: &str = "Which sounds, as log-mel features with a unit for every four frames. The synthetic ones are sequences of \
    hidden units that last a few frames each; a unit is a spectral envelope, and noise lies over it. They are a function of `seed` \
    and the sound's number.";

/// Frames for one unit: what two strided convolutions of a model leave.
pub const FRAMES_PER_UNIT: usize = 4;

/// The `[data.audio]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataAudio {
    /// Where sounds come from.
    pub source: Source,
    /// What synthetic samples are made from, beside their numbers.
    pub seed: u64,
    /// Frames of a sound; a multiple of [`FRAMES_PER_UNIT`].
    pub frames: usize,
    /// Features of a frame.
    pub bins: usize,
    /// Number of different units.
    pub units: usize,
    /// Sounds to learn from.
    pub samples: usize,
    /// Further sounds to measure on; 0 for none.
    pub valid_samples: usize,
    /// Shuffle the order in each epoch.
    pub shuffle: bool,
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Integer, Text};
    Schema {
        fields: vec![
            Field::new("source", Text, "Where the sounds come from.").or("synthetic").one_of(&["synthetic"]),
            Field::new("seed", Integer, "What synthetic samples are made from, beside their numbers; apart from the run's seed, so that runs are compared on the same data.").or(0).at_least(0.0),
            Field::new("frames", Integer, "Frames of a sound, a multiple of 4: every four share a unit.")
                .or(400)
                .at_least(4.0)
                .at_most(100_000.0),
            Field::new("bins", Integer, "Log-mel features of a frame.").or(80).at_least(1.0).at_most(1024.0),
            Field::new("units", Integer, "Number of different units.").or(64).at_least(2.0).at_most(65536.0),
            Field::new("samples", Integer, "Sounds to learn from.").or(10_000).at_least(1.0).at_most(4e9),
            Field::new("valid_samples", Integer, "Further sounds to measure on; 0 for none.").or(128).at_least(0.0).at_most(4e9),
            Field::new("shuffle", Bool, "Shuffle the order in each epoch, by the run's seed.").or(true),
        ],
    }
}

/// Checks what one field alone cannot show.
pub(crate) fn finish(checked: &Checked) -> Result<DataAudio, Error> {
    let audio: DataAudio = checked.typed();
    if !audio.frames.is_multiple_of(FRAMES_PER_UNIT) {
        return Err(Error::Range {
            what: in_words(HEADER),
            name: "frames".into(),
            value: audio.frames.to_string(),
            allowed: format!("a multiple of {FRAMES_PER_UNIT}, the frames that share a unit"),
            place: checked.source("frames").into(),
        });
    }
    Ok(audio)
}
