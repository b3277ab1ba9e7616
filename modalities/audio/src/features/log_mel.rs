//! The log-mel spectrogram: windows centred on their frames, ln(energy + 10⁻⁶).

use super::Features;
use super::frames::{Spectrum, in_samples};
use super::mel::{MelBanks, Scale};
use crate::error::{Error, Result};

/// Added to energies before the logarithm.
const FLOOR: f32 = 1e-6;

/// How a log-mel spectrogram is made.
#[derive(Clone, Debug, PartialEq)]
pub struct LogMelSettings {
    /// Samples a second.
    pub rate: u32,
    /// Bins of a frame.
    pub bins: usize,
    /// Length of a window.
    pub window_milliseconds: f64,
    /// From one window to the next.
    pub hop_milliseconds: f64,
    /// Samples of a transform, at least those of a window, which stands in its middle.
    pub transform: usize,
    /// Lower edge of the first bin.
    pub low_hertz: f64,
    /// Upper edge of the last bin; 0 or less counts from the Nyquist rate.
    pub high_hertz: f64,
}

impl LogMelSettings {
    /// The defaults at a rate: 80 bins up to the Nyquist rate, windows of 25 ms every 10 ms, transforms of 512 samples or as
    /// many as a window needs.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let window = (f64::from(rate) * 0.025) as usize;
        Self {
            rate,
            bins: 80,
            window_milliseconds: 25.0,
            hop_milliseconds: 10.0,
            transform: window.next_power_of_two().max(512),
            low_hertz: 0.0,
            high_hertz: 0.0,
        }
    }
}

/// Makes log-mel spectrograms.
#[derive(Clone)]
pub struct LogMel {
    settings: LogMelSettings,
    hop: usize,
    window: Vec<f32>,
    spectrum: Spectrum,
    banks: MelBanks,
}

impl LogMel {
    /// Ready for sounds of the settings' rate.
    ///
    /// # Errors
    /// Times, edges or sizes that cannot be.
    pub fn new(settings: LogMelSettings) -> Result<Self> {
        let length = in_samples("window_milliseconds", settings.window_milliseconds, settings.rate)?;
        let hop = in_samples("hop_milliseconds", settings.hop_milliseconds, settings.rate)?;
        let LogMelSettings { rate, bins, transform, low_hertz, high_hertz, .. } = settings;
        if transform < length || transform > 1 << 20 {
            let allowed = format!("from the {length} samples of a window to 2²⁰");
            return Err(Error::setting("transform", transform, allowed));
        }
        let banks = MelBanks::new(Scale::Hertz, bins, transform, rate, low_hertz, high_hertz)?;
        let window = crate::augment::hann(length);
        Ok(Self { settings, hop, window, spectrum: Spectrum::new(transform), banks })
    }

    /// Samples from one frame to the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// The number of frames of a sound: one for each hop, and one at its end.
    #[must_use]
    pub fn frames(&self, samples: usize) -> usize {
        if samples == 0 { 0 } else { 1 + samples / self.hop }
    }

    /// Features `[frames, bins]` of a wave in ±1; past its ends it goes on as in a mirror.
    #[must_use]
    pub fn apply(&self, samples: &[f32]) -> Features {
        let frames = self.frames(samples.len());
        let (mut spectrum, mut power) = (self.spectrum.clone(), Vec::new());
        let mut values = Vec::with_capacity(frames * self.settings.bins);
        let offset = (self.settings.transform - self.window.len()) / 2;
        for frame in 0..frames {
            let first = (frame * self.hop + offset) as isize - (self.settings.transform / 2) as isize;
            let fill = |out: &mut [f32]| {
                let inside =
                    usize::try_from(first).ok().and_then(|first| samples.get(first..first + self.window.len()));
                for (i, (out, window)) in out[offset..].iter_mut().zip(&self.window).enumerate() {
                    let sample = match inside {
                        Some(inside) => inside[i],
                        None => samples[mirrored(first + i as isize, samples.len())],
                    };
                    *out = sample * window;
                }
            };
            spectrum.power(fill, &mut power);
            values.extend(self.banks.energies(&power).map(|energy| (energy + FLOOR).ln()));
        }
        Features::new(values, self.settings.bins)
    }
}

/// The place inside `0..length` that a place outside shows, the ends not repeated.
pub(crate) fn mirrored(place: isize, length: usize) -> usize {
    let last = length as isize - 1;
    if last <= 0 {
        return 0;
    }
    let place = place.rem_euclid(2 * last);
    place.min(2 * last - place) as usize
}
