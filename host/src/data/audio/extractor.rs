//! Frames of a wave, whatever they hold: how many there are, where each has its middle.

use experiment::{AudioFeatures, DataAudio};
use modality_audio::{Fbank, FbankSettings, Features, LogMel, LogMelSettings};

use crate::error::Result;

/// Makes features of waves.
pub(super) enum Extractor {
    Waveform,
    Fbank(Box<Fbank>),
    LogMel(Box<LogMel>),
}

impl Extractor {
    /// As `[data.audio]` says.
    ///
    /// # Errors
    /// Windows or bins that cannot be at its rate.
    pub(super) fn new(data: &DataAudio) -> Result<Self> {
        let DataAudio { rate, bins, window_milliseconds, hop_milliseconds, .. } = *data;
        Ok(match data.features {
            AudioFeatures::Waveform => Self::Waveform,
            AudioFeatures::Fbank => {
                let usual = FbankSettings::new(rate);
                Self::Fbank(Box::new(Fbank::new(FbankSettings {
                    bins,
                    window_milliseconds,
                    hop_milliseconds,
                    ..usual
                })?))
            }
            AudioFeatures::LogMel => {
                let usual = LogMelSettings::new(rate);
                let window = (window_milliseconds * f64::from(rate) / 1000.0) as usize;
                let transform = usual.transform.max(window.next_power_of_two());
                let settings = LogMelSettings { bins, window_milliseconds, hop_milliseconds, transform, ..usual };
                Self::LogMel(Box::new(LogMel::new(settings)?))
            }
        })
    }

    /// Frames of so many samples.
    pub(super) fn frames(&self, samples: usize) -> usize {
        match self {
            Self::Waveform => samples,
            Self::Fbank(fbank) => {
                let (window, hop) = fbank.window_and_hop();
                modality_audio::frames_without_edges(samples, window, hop)
            }
            Self::LogMel(log_mel) => log_mel.frames(samples),
        }
    }

    /// The fewest samples that give so many frames.
    pub(super) fn samples(&self, frames: usize) -> usize {
        match self {
            Self::Waveform => frames,
            Self::Fbank(fbank) => {
                let (window, hop) = fbank.window_and_hop();
                window + frames.saturating_sub(1) * hop
            }
            Self::LogMel(log_mel) => (frames.saturating_sub(1) * log_mel.hop()).max(1),
        }
    }

    /// The fewest samples of a sound that has a row, and a window of coefficients to find its unit by.
    pub(super) fn least(&self, data: &DataAudio) -> usize {
        let window = if data.units > 0 { (0.025 * f64::from(data.rate)) as usize } else { 1 };
        self.samples(data.frames_per_unit).max(window)
    }

    /// The sample in the middle of a frame.
    pub(super) fn middle(&self, frame: usize) -> usize {
        match self {
            Self::Waveform => frame,
            Self::Fbank(fbank) => {
                let (window, hop) = fbank.window_and_hop();
                frame * hop + window / 2
            }
            Self::LogMel(log_mel) => frame * log_mel.hop(),
        }
    }

    /// The features of a wave.
    pub(super) fn apply(&self, wave: Vec<f32>) -> Features {
        match self {
            Self::Waveform => Features::of_wave(wave),
            Self::Fbank(fbank) => fbank.apply(&wave),
            Self::LogMel(log_mel) => log_mel.apply(&wave),
        }
    }
}
