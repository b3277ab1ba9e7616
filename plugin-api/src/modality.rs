//! What the data says of pictures and sounds, for instances under construction.

use serde_json::Value;

use crate::error::{Error, Result};

/// The size of every picture: `image.pixels` is f32 `[b, channels, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pictures {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Colours of a pixel.
    pub channels: usize,
}

/// The size of every sound: `audio.features` is f32 `[b, frames, bins]`, `audio.units` u32 `[n]` with a unit for every
/// `frames_per_unit` frames, the rows of `audio.layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sounds {
    /// Frames of the longest sound; each has a multiple of `frames_per_unit`.
    pub frames: usize,
    /// Features of a frame.
    pub bins: usize,
    /// Number of different units, a blank included; 0 where the sounds have none.
    pub units: usize,
    /// The unit that stands for nothing, where there is one.
    pub blank: Option<usize>,
    /// Frames that share a unit.
    pub frames_per_unit: usize,
}

impl Pictures {
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        let number = numbers("image", json)?;
        Ok(Self { height: number("height")?, width: number("width")?, channels: number("channels")? })
    }
}

impl Sounds {
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        let number = numbers("audio", json)?;
        Ok(Self {
            blank: number("blank").ok(),
            frames: number("frames")?,
            bins: number("bins")?,
            units: number("units")?,
            frames_per_unit: number("frames_per_unit")?,
        })
    }
}

/// Reads whole numbers by name.
fn numbers(modality: &str, json: &str) -> Result<impl Fn(&str) -> Result<usize>> {
    let odd = move |what: String| Error::new("host/modality", format!("the host's description of {what}"));
    let value: Value = serde_json::from_str(json).map_err(|error| odd(format!("`{modality}` is not JSON: {error}")))?;
    let modality = modality.to_owned();
    Ok(move |name: &str| {
        let number = value.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| odd(format!("`{modality}` has no {name}")))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_what_the_host_writes() {
        let pictures = Pictures::from_json(r#"{"height":4,"width":6,"channels":3}"#).unwrap();
        assert_eq!(pictures, Pictures { height: 4, width: 6, channels: 3 });
        let error = Sounds::from_json(r#"{"frames":400,"bins":80,"units":64}"#).unwrap_err();
        assert_eq!(error.text(), "the host's description of `audio` has no frames_per_unit");
    }
}
