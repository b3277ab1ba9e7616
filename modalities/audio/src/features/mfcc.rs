//! Mel-frequency cepstral coefficients as Kaldi makes them, and their changes over time.
//!
//! Davis and Mermelstein 1980, IEEE TASSP 28(4); Kaldi's `compute-mfcc-feats` without energy, its lifter of 22.

use super::Features;
use super::fbank::{Fbank, FbankSettings};
use crate::error::{Error, Result};

/// Kaldi's: coefficient i is multiplied by 1 + 11 sin(π i / 22).
const LIFTER: f64 = 22.0;

/// How coefficients are made.
#[derive(Clone, Debug, PartialEq)]
pub struct MfccSettings {
    /// The filterbank under them; Kaldi's has 23 bins.
    pub fbank: FbankSettings,
    /// Coefficients of a frame, at most the filterbank's bins.
    pub coefficients: usize,
}

impl MfccSettings {
    /// The defaults at a rate: 13 coefficients of 23 bins.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self { fbank: FbankSettings { bins: 23, ..FbankSettings::new(rate) }, coefficients: 13 }
    }
}

/// Makes coefficients.
#[derive(Clone)]
pub struct Mfcc {
    fbank: Fbank,
    /// `[coefficients, bins]`, lifter included.
    cosines: Vec<f32>,
    coefficients: usize,
}

impl Mfcc {
    /// Ready for sounds of the settings' rate.
    ///
    /// # Errors
    /// As [`Fbank::new`], and more coefficients than bins, or none.
    pub fn new(settings: MfccSettings) -> Result<Self> {
        let (bins, coefficients) = (settings.fbank.bins, settings.coefficients);
        if coefficients == 0 || coefficients > bins {
            return Err(Error::setting("coefficients", coefficients, format!("from 1 to the {bins} bins")));
        }
        let mut cosines = Vec::with_capacity(coefficients * bins);
        for number in 0..coefficients {
            let scale = (if number == 0 { 1.0 } else { 2.0 } / bins as f64).sqrt();
            let lift = 1.0 + 0.5 * LIFTER * (std::f64::consts::PI * number as f64 / LIFTER).sin();
            cosines.extend((0..bins).map(|bin| {
                let angle = std::f64::consts::PI / bins as f64 * (bin as f64 + 0.5) * number as f64;
                (scale * lift * angle.cos()) as f32
            }));
        }
        Ok(Self { fbank: Fbank::new(settings.fbank)?, cosines, coefficients })
    }

    /// Samples of a window, and from one window to the next.
    #[must_use]
    pub fn window_and_hop(&self) -> (usize, usize) {
        self.fbank.window_and_hop()
    }

    /// Coefficients `[frames, coefficients]` of a wave in ±1.
    #[must_use]
    pub fn apply(&self, samples: &[f32]) -> Features {
        let energies = self.fbank.apply(samples);
        let bins = energies.bins();
        let mut values = Vec::with_capacity(energies.frames() * self.coefficients);
        for frame in energies.values.chunks_exact(bins) {
            values.extend(
                self.cosines.chunks_exact(bins).map(|row| row.iter().zip(frame).map(|(a, b)| a * b).sum::<f32>()),
            );
        }
        Features::new(values, self.coefficients)
    }
}

/// Features, their slopes over five frames, and the slopes of those: `[frames, 3 · bins]`. The first and last frame go on past
/// the ends.
#[must_use]
pub fn with_deltas(features: &Features) -> Features {
    let (frames, bins) = (features.frames(), features.bins());
    let first = slopes(&features.values, frames, bins);
    let second = slopes(&first, frames, bins);
    let mut values = Vec::with_capacity(3 * features.values.len());
    for frame in 0..frames {
        for part in [&features.values, &first, &second] {
            values.extend_from_slice(&part[frame * bins..][..bins]);
        }
    }
    Features::new(values, 3 * bins)
}

/// The slope of the best line through five frames.
fn slopes(values: &[f32], frames: usize, bins: usize) -> Vec<f32> {
    let at = |frame: isize, bin: usize| values[frame.clamp(0, frames as isize - 1) as usize * bins + bin];
    let mut out = Vec::with_capacity(values.len());
    for frame in 0..frames as isize {
        for bin in 0..bins {
            let sum: f32 = (-2..=2).map(|step| step as f32 * at(frame + step, bin)).sum();
            out.push(sum / 10.0);
        }
    }
    out
}
