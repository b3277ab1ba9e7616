//! Features of a sound, frame by frame: Kaldi's filterbank and MFCC, and the log-mel spectrogram.

mod fbank;
mod frames;
mod log_mel;
mod mel;
mod mfcc;

use crate::error::{Error, Result};
pub use fbank::{Fbank, FbankSettings};
pub use frames::frames_without_edges;
pub(crate) use log_mel::mirrored;
pub use log_mel::{LogMel, LogMelSettings};
pub use mfcc::{Mfcc, MfccSettings, with_deltas};

/// Features `[frames, bins]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The numbers, frame by frame.
    pub values: Vec<f32>,
    bins: usize,
}

impl Features {
    /// Of `frames · bins` numbers.
    pub(crate) fn new(values: Vec<f32>, bins: usize) -> Self {
        debug_assert!(values.len().is_multiple_of(bins.max(1)));
        Self { values, bins }
    }

    /// Rows of `bins` numbers each.
    ///
    /// # Errors
    /// When they are no whole number of rows.
    pub fn of_rows(values: Vec<f32>, bins: usize) -> Result<Self> {
        if bins == 0 || !values.len().is_multiple_of(bins) {
            return Err(Error::setting("bins", bins, format!("a divisor of the {} numbers", values.len())));
        }
        Ok(Self { values, bins })
    }

    /// A wave as it is: one sample in each frame.
    #[must_use]
    pub fn of_wave(samples: Vec<f32>) -> Self {
        Self { values: samples, bins: 1 }
    }

    /// Its first frames.
    #[must_use]
    pub fn first(mut self, frames: usize) -> Self {
        self.values.truncate(frames * self.bins);
        self
    }

    /// All frames of several sounds, which have the same bins.
    ///
    /// # Errors
    /// When they have not.
    pub fn concatenated(parts: impl IntoIterator<Item = Self>) -> Result<Self> {
        let mut all = Self::default();
        for part in parts {
            if all.bins != 0 && all.bins != part.bins {
                return Err(Error::setting("bins", part.bins, format!("{} as in the sound before", all.bins)));
            }
            all.bins = part.bins;
            all.values.extend(part.values);
        }
        Ok(all)
    }

    /// The number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.values.len() / self.bins.max(1)
    }

    /// The numbers of a frame.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Each bin with mean 0 and variance 1 over the sound; a bin that never changes becomes 0.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        let frames = self.frames();
        for bin in 0..self.bins {
            let of_bin = || self.values[bin..].iter().step_by(self.bins).map(|value| f64::from(*value));
            let mean = of_bin().sum::<f64>() / frames.max(1) as f64;
            let variance = of_bin().map(|value| (value - mean).powi(2)).sum::<f64>() / frames.max(1) as f64;
            let scale = if variance > 1e-10 { 1.0 / variance.sqrt() } else { 0.0 };
            for value in self.values[bin..].iter_mut().step_by(self.bins) {
                *value = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_normalised_each_for_itself() {
        let features = Features::new(vec![1.0, 7.0, 3.0, 7.0, 5.0, 7.0, 7.0, 7.0], 2).normalised();
        let first: Vec<f32> = features.values.iter().step_by(2).copied().collect();
        assert!(first.iter().sum::<f32>().abs() < 1e-6);
        assert!((first.iter().map(|value| value * value).sum::<f32>() / 4.0 - 1.0).abs() < 1e-6);
        assert!(features.values[1..].iter().step_by(2).all(|value| *value == 0.0));
    }
}
