//! What a model without a run around it reads: text of a vocabulary, or pictures of a size.

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

/// What a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// Tokens.
    Text(Vocabulary),
    /// Pixels.
    Pictures(PictureSize),
}

impl Reads {
    /// Every modality with the section of `model.toml` that tells of it.
    pub(super) const SECTIONS: [(&'static str, &'static str); 2] = [("text", "vocabulary"), ("image", "pictures")];

    /// The modality and the section of `model.toml`.
    #[must_use]
    pub fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::Text(_) => Self::SECTIONS[0],
            Self::Pictures(_) => Self::SECTIONS[1],
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
        }
    }
}
