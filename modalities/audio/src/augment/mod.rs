//! Changes of a sound by draws that are a function of their key: noise, rooms, masks over features, pitch and tempo.

mod masks;
mod noise;
mod room;
mod vocoder;

pub use masks::{MaskSettings, mask_features};
pub use noise::{add_at_ratio, add_noise};
pub use room::reverberated;
pub use vocoder::{pitch_shifted, stretched};

/// A Hann window that repeats without a seam: of `length` samples, the first is 0 and the last is not.
pub(crate) fn hann(length: usize) -> Vec<f32> {
    let turn = std::f64::consts::TAU / length as f64;
    (0..length).map(|i| (0.5 - 0.5 * (turn * i as f64).cos()) as f32).collect()
}
