//! What a model without a run around it reads: text of a vocabulary, pictures of a size, or sounds of a rate.

use serde_json::{Value as Json, json};

use super::facts::Vocabulary;

/// The size of the pictures that a model was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Colours of a pixel.
    pub channels: usize,
}

impl PictureSize {
    /// From what plugins are told of pictures; `None` for something else.
    #[must_use]
    pub fn from_json(facts: &str) -> Option<Self> {
        let facts: Json = serde_json::from_str(facts).ok()?;
        let number =
            |name: &str| facts.get(name).and_then(Json::as_u64).and_then(|number| usize::try_from(number).ok());
        Some(Self { height: number("height")?, width: number("width")?, channels: number("channels")? })
    }
}

/// The sounds that a model was made for, frame by frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundSize {
    /// Numbers of a frame: 1 of a wave.
    pub bins: usize,
    /// Frames from one row to the next.
    pub frames_per_unit: usize,
    /// Frames a second of a wave.
    pub rate: usize,
    /// Whether the numbers have mean 0 and variance 1 over a sound.
    pub normalise: bool,
}

/// Seconds of the longest sound that a model without a run is told of; it bounds nothing.
const LONGEST: usize = 30;

impl SoundSize {
    /// From what plugins are told of sounds; `None` for something else.
    #[must_use]
    pub fn from_json(facts: &str) -> Option<Self> {
        let facts: Json = serde_json::from_str(facts).ok()?;
        let number =
            |name: &str| facts.get(name).and_then(Json::as_u64).and_then(|number| usize::try_from(number).ok());
        Some(Self {
            bins: number("bins")?,
            frames_per_unit: number("frames_per_unit")?,
            rate: number("rate").unwrap_or(0),
            normalise: facts["normalise"] == true,
        })
    }
}

/// What a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// Tokens.
    Text(Vocabulary),
    /// Pixels.
    Pictures(PictureSize),
    /// Waves.
    Sounds(SoundSize),
}

impl Reads {
    /// Every modality with the section of `model.toml` that tells of it.
    pub(super) const SECTIONS: [(&'static str, &'static str); 3] =
        [("text", "vocabulary"), ("image", "pictures"), ("audio", "sounds")];

    /// The modality and the section of `model.toml`.
    #[must_use]
    pub fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Text(_) => Self::SECTIONS[0],
            Self::Pictures(_) => Self::SECTIONS[1],
            Self::Sounds(_) => Self::SECTIONS[2],
        }
    }

    /// As plugins are told, and as `model.toml` has it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(vocabulary) => vocabulary.to_json(),
            Self::Pictures(PictureSize { height, width, channels }) => {
                json!({ "height": height, "width": width, "channels": channels })
            }
            Self::Sounds(SoundSize { bins, frames_per_unit, rate, normalise }) => json!({
                "frames": (LONGEST * rate).next_multiple_of((*frames_per_unit).max(1)),
                "bins": bins,
                "units": 0,
                "frames_per_unit": frames_per_unit,
                "features": "waveform",
                "rate": rate,
                "normalise": normalise,
            }),
        }
    }
}
