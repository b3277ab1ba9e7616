//! Kaldi's log-mel filterbank, without dither.
//!
//! Povey et al. 2011, "The Kaldi speech recognition toolkit", ASRU: `compute-fbank-feats` with its own defaults but for the
//! number of bins, which is 80 here.

use super::Features;
use super::frames::{Spectrum, frames_without_edges, in_samples, sum};
use super::mel::{MelBanks, Scale};
use crate::error::{Error, Result};

/// Share of the sample before that is taken off each one.
const PREEMPHASIS: f32 = 0.97;

/// How a filterbank is made.
#[derive(Clone, Debug, PartialEq)]
pub struct FbankSettings {
    /// Samples a second.
    pub rate: u32,
    /// Bins of a frame.
    pub bins: usize,
    /// Length of a window.
    pub window_milliseconds: f64,
    /// From one window to the next.
    pub hop_milliseconds: f64,
    /// Lower edge of the first bin.
    pub low_hertz: f64,
    /// Upper edge of the last bin; 0 or less counts from the Nyquist rate.
    pub high_hertz: f64,
    /// What samples in ±1 are multiplied by: Kaldi's are 16-bit numbers.
    pub scale: f32,
}

impl FbankSettings {
    /// The defaults at a rate: 80 bins from 20 Hz to the Nyquist rate, windows of 25 ms every 10 ms, 16-bit numbers.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            bins: 80,
            window_milliseconds: 25.0,
            hop_milliseconds: 10.0,
            low_hertz: 20.0,
            high_hertz: 0.0,
            scale: 32_768.0,
        }
    }
}

/// Makes filterbanks.
#[derive(Clone)]
pub struct Fbank {
    settings: FbankSettings,
    hop: usize,
    window: Vec<f32>,
    spectrum: Spectrum,
    banks: MelBanks,
}

impl Fbank {
    /// Ready for sounds of the settings' rate.
    ///
    /// # Errors
    /// Times, edges or numbers of bins that cannot be.
    pub fn new(settings: FbankSettings) -> Result<Self> {
        let length = in_samples("window_milliseconds", settings.window_milliseconds, settings.rate)?;
        let hop = in_samples("hop_milliseconds", settings.hop_milliseconds, settings.rate)?;
        if length < 2 {
            return Err(Error::setting("window_milliseconds", settings.window_milliseconds, "at least two samples"));
        }
        let size = length.next_power_of_two();
        let FbankSettings { rate, bins, low_hertz, high_hertz, .. } = settings;
        let banks = MelBanks::new(Scale::Kaldi, bins, size, rate, low_hertz, high_hertz)?;
        // A Hann window to the power of 0.85, named for Daniel Povey: like a Hamming window, but it ends at zero.
        let turn = std::f64::consts::TAU / (length - 1) as f64;
        let window = (0..length).map(|i| (0.5 - 0.5 * (turn * i as f64).cos()).powf(0.85) as f32).collect();
        Ok(Self { settings, hop, window, spectrum: Spectrum::new(size), banks })
    }

    /// Samples of a window, and from one window to the next.
    #[must_use]
    pub fn window_and_hop(&self) -> (usize, usize) {
        (self.window.len(), self.hop)
    }

    /// Features `[frames, bins]` of a wave in ±1: natural logarithms of mel energies, windows whole inside the sound.
    #[must_use]
    pub fn apply(&self, samples: &[f32]) -> Features {
        let frames = frames_without_edges(samples.len(), self.window.len(), self.hop);
        let mut values = Vec::with_capacity(frames * self.settings.bins);
        self.each_frame(samples, |energies| values.extend(energies.map(|energy| energy.max(f32::EPSILON).ln())));
        Features::new(values, self.settings.bins)
    }

    /// Calls `take` with the mel energies of each frame.
    fn each_frame(&self, samples: &[f32], mut take: impl FnMut(&mut dyn Iterator<Item = f32>)) {
        let length = self.window.len();
        let (mut spectrum, mut power) = (self.spectrum.clone(), Vec::new());
        for frame in 0..frames_without_edges(samples.len(), length, self.hop) {
            let wave = &samples[frame * self.hop..][..length];
            spectrum.power(|out| self.fill(wave, out), &mut power);
            take(&mut self.banks.energies(&power));
        }
    }

    /// One window: without its mean, high tones raised, faded at both ends.
    fn fill(&self, wave: &[f32], out: &mut [f32]) {
        let scale = self.settings.scale;
        let mean = sum(wave) * scale / wave.len() as f32;
        let centred = |sample: f32| sample * scale - mean;
        out[0] = (1.0 - PREEMPHASIS) * centred(wave[0]) * self.window[0];
        for ((out, pair), window) in out[1..].iter_mut().zip(wave.windows(2)).zip(&self.window[1..]) {
            *out = (centred(pair[1]) - PREEMPHASIS * centred(pair[0])) * window;
        }
    }
}
