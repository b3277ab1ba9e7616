//! From the numbers that models see back to levels of light.

use serde_json::Value as Json;

/// What pictures were made of: `(level − mean) / deviation` in each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    /// Channels, height and width.
    pub size: [usize; 3],
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Levels {
    /// From what plugins are told of pictures; `None` for something else.
    #[must_use]
    pub fn from_json(facts: &str) -> Option<Self> {
        let facts: Json = serde_json::from_str(facts).ok()?;
        let number = |name: &str| facts[name].as_u64().map(|number| number as usize);
        let size = [number("channels")?, number("height")?, number("width")?];
        let each = |name: &str, usual: f64| {
            let told: Vec<f64> = facts[name].as_array().into_iter().flatten().filter_map(Json::as_f64).collect();
            match told.as_slice() {
                [] => vec![usual; size[0]],
                [one] => vec![*one; size[0]],
                _ => told,
            }
        };
        // Synthetic pictures have mean 0 and deviation 1.
        Some(Self { size, mean: each("mean", 0.5), deviation: each("std", 0.25) })
    }

    /// Levels from 0 to 1, and beyond, of pixels `[channels, height, width]` as a model sees them.
    #[must_use]
    pub fn of(&self, pixels: &[f32]) -> Vec<f32> {
        let plane = (self.size[1] * self.size[2]).max(1);
        let level = |(place, pixel): (usize, &f32)| {
            let channel = (place / plane).min(self.size[0] - 1);
            (f64::from(*pixel) * self.deviation[channel] + self.mean[channel]) as f32
        };
        pixels.iter().enumerate().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn levels_are_those_before_normalisation() {
        let told = r#"{"channels":2,"height":1,"width":2,"mean":[0.5,0.25],"std":[0.5,0.125]}"#;
        assert_eq!(Levels::from_json(told).unwrap().of(&[-1.0, 1.0, -2.0, 2.0]), [0.0, 1.0, 0.0, 0.5]);
        let one = r#"{"channels":2,"height":1,"width":1,"mean":[0.5],"std":[0.5]}"#;
        assert_eq!(Levels::from_json(one).unwrap().of(&[1.0, 0.0]), [1.0, 0.5]);
        assert!(Levels::from_json(r#"{"size":268}"#).is_none());
    }
}
