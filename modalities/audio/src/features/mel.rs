//! Triangles along the mel scale, each as the stretch of the spectrum that it covers.

use super::frames::dot;
use crate::error::{Error, Result};

/// Which formula takes hertz to mel, and along which of the two scales triangles are straight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// 1127 ln(1 + f / 700), straight along mel, without the last bin of the spectrum: Kaldi's.
    Kaldi,
    /// 2595 log₁₀(1 + f / 700), straight along hertz.
    Hertz,
}

impl Scale {
    fn mel(self, hertz: f64) -> f64 {
        match self {
            Self::Kaldi => 1127.0 * (1.0 + hertz / 700.0).ln(),
            Self::Hertz => 2595.0 * (1.0 + hertz / 700.0).log10(),
        }
    }

    fn hertz(self, mel: f64) -> f64 {
        match self {
            Self::Kaldi => 700.0 * ((mel / 1127.0).exp() - 1.0),
            Self::Hertz => 700.0 * (10_f64.powf(mel / 2595.0) - 1.0),
        }
    }
}

/// Weighted sums over a power spectrum.
#[derive(Clone, Debug)]
pub(super) struct MelBanks {
    /// For each bin, the first place of the spectrum and the weights from there.
    banks: Vec<(usize, Vec<f32>)>,
}

impl MelBanks {
    /// `bins` triangles from `low` to `high` hertz over the spectrum of `size` samples; `high` of 0 or less counts from the
    /// Nyquist rate.
    ///
    /// # Errors
    /// No bin, or edges that are out of order or above the Nyquist rate.
    pub(super) fn new(scale: Scale, bins: usize, size: usize, rate: u32, low: f64, high: f64) -> Result<Self> {
        let nyquist = f64::from(rate) / 2.0;
        let top = if high > 0.0 { high } else { nyquist + high };
        if bins == 0 {
            return Err(Error::setting("bins", bins, "at least 1"));
        }
        if !(low >= 0.0 && low < top && top <= nyquist) {
            let allowed = format!("edges in order, from 0 to {nyquist} Hz, the half of the rate");
            return Err(Error::setting("high_hertz", format!("{top} and `low_hertz` {low}"), allowed));
        }
        let (first, last) = (scale.mel(low), scale.mel(top));
        let edge = |number: usize| first + (last - first) * number as f64 / (bins + 1) as f64;
        let places = if scale == Scale::Kaldi { size / 2 } else { size / 2 + 1 };
        let bank = |bin: usize| {
            let [left, middle, right] = [0, 1, 2].map(|step| match scale {
                Scale::Kaldi => edge(bin + step),
                Scale::Hertz => scale.hertz(edge(bin + step)),
            });
            let weight = |place: usize| {
                let hertz = place as f64 * f64::from(rate) / size as f64;
                let at = if scale == Scale::Kaldi { scale.mel(hertz) } else { hertz };
                ((at - left) / (middle - left)).min((right - at) / (right - middle)).max(0.0) as f32
            };
            let weights: Vec<f32> = (0..places).map(weight).collect();
            let start = weights.iter().position(|weight| *weight > 0.0).unwrap_or(0);
            let end = weights.iter().rposition(|weight| *weight > 0.0).map_or(start, |last| last + 1);
            (start, weights[start..end].to_vec())
        };
        Ok(Self { banks: (0..bins).map(bank).collect() })
    }

    /// The energy of each bin.
    pub(super) fn energies<'a>(&'a self, power: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.banks.iter().map(|(start, weights)| dot(weights, &power[*start..]))
    }
}
