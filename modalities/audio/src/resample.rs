//! Another rate, by band-limited interpolation: a sinc under a Hann window, one short filter for each phase.
//!
//! Smith 2002, "Digital audio resampling home page", CCRMA, with six zero crossings and a cut-off at 0.99 of the lower
//! Nyquist rate: the filter that speech toolkits use, so features agree with theirs.

use crate::error::{Error, Result};

/// Zero crossings of the sinc on each side.
const CROSSINGS: f64 = 6.0;
/// Cut-off as a share of the lower Nyquist rate.
const ROLL_OFF: f64 = 0.99;
/// Phases that are kept ready; rates without a common factor have more than any machine wants.
const MOST_PHASES: u64 = 1 << 20;

/// Takes sounds from one rate to another.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Input samples for `new` output samples.
    old: usize,
    new: usize,
    /// For each phase, the first input sample (relative to its block) and the filter.
    phases: Vec<(isize, Vec<f32>)>,
}

impl Resampler {
    /// From `old` to `new` samples a second.
    ///
    /// # Errors
    /// A rate of 0, or two that have so little in common that no table of filters fits.
    pub fn new(old: u32, new: u32) -> Result<Self> {
        if old == 0 || new == 0 {
            return Err(Error::setting("rate", 0, "at least 1 sample a second"));
        }
        let common = gcd(old, new);
        let (old, new) = (old / common, new / common);
        if u64::from(new) > MOST_PHASES || u64::from(old) > MOST_PHASES {
            let allowed = format!("a rate that has more in common with {}", old * common);
            return Err(Error::setting("rate", new * common, allowed));
        }
        let phases = if old == new { Vec::new() } else { (0..new).map(|phase| filter(phase, old, new)).collect() };
        Ok(Self { old: old as usize, new: new as usize, phases })
    }

    /// The sound at the new rate, `⌈length · new / old⌉` samples; zeros are taken past the ends.
    #[must_use]
    pub fn apply(&self, samples: &[f32]) -> Vec<f32> {
        if self.phases.is_empty() {
            return samples.to_vec();
        }
        let length = (samples.len() * self.new).div_ceil(self.old);
        let mut out = Vec::with_capacity(length);
        for place in 0..length {
            let (block, phase) = (place / self.new, place % self.new);
            let (first, filter) = &self.phases[phase];
            let first = (block * self.old) as isize + first;
            let skipped = first.min(0).unsigned_abs().min(filter.len());
            let start = first.max(0) as usize;
            let inside = samples.get(start.min(samples.len())..).unwrap_or_default();
            out.push(filter[skipped..].iter().zip(inside).map(|(weight, sample)| weight * sample).sum());
        }
        out
    }
}

/// The filter of an output sample, without the zeros at its ends.
fn filter(phase: u32, old: u32, new: u32) -> (isize, Vec<f32>) {
    let (old, new) = (f64::from(old), f64::from(new));
    let cutoff = old.min(new) * ROLL_OFF;
    // In input samples: where the output sample lies, and how far the filter reaches.
    let (centre, reach) = (f64::from(phase) * old / new, CROSSINGS * old / cutoff);
    let (first, last) = ((centre - reach).ceil() as isize, (centre + reach).floor() as isize);
    let weight = |place: isize| {
        let time = ((place as f64 - centre) / old * cutoff).clamp(-CROSSINGS, CROSSINGS);
        let window = (time * std::f64::consts::PI / CROSSINGS / 2.0).cos().powi(2);
        let angle = time * std::f64::consts::PI;
        let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
        (sinc * window * cutoff / old) as f32
    };
    (first, (first..=last).map(weight).collect())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn tone(rate: f64, hertz: f64, length: usize) -> Vec<f32> {
        (0..length).map(|i| (std::f64::consts::TAU * hertz * i as f64 / rate).sin() as f32).collect()
    }

    #[test]
    fn a_tone_stays_that_tone_at_another_rate() {
        for (old, new) in [(8000, 16_000), (22_050, 16_000), (16_000, 8000), (44_100, 8000)] {
            let out = Resampler::new(old, new).unwrap().apply(&tone(f64::from(old), 440.0, old as usize / 4));
            let expected = tone(f64::from(new), 440.0, out.len());
            assert_eq!(out.len(), (old as usize / 4 * new as usize).div_ceil(old as usize));
            let worst = (100..out.len() - 100).map(|i| (out[i] - expected[i]).abs()).fold(0.0, f32::max);
            assert!(worst < 0.02, "{old} to {new}: {worst}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_taken_out() {
        let out = Resampler::new(16_000, 8000).unwrap().apply(&tone(16_000.0, 6000.0, 8000));
        assert!(out[50..out.len() - 50].iter().all(|sample| sample.abs() < 0.02));
    }

    #[test]
    fn the_same_rate_changes_nothing_and_odd_ones_are_refused() {
        let sound = tone(8000.0, 440.0, 100);
        assert_eq!(Resampler::new(8000, 8000).unwrap().apply(&sound), sound);
        assert!(Resampler::new(8000, 16_000).unwrap().apply(&[]).is_empty());
        assert!(Resampler::new(0, 8000).is_err());
        assert!(Resampler::new(4_000_037, 4_000_039).is_err());
    }
}
