//! Pictures and sounds made from random numbers, to try speed and wiring before real ones are read.

mod audio;
mod image;
mod noise;

pub use audio::SyntheticAudio;
pub use image::SyntheticImages;
