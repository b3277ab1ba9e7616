//! Slower or faster at the same pitch, and higher or lower at the same tempo, by a phase vocoder.
//!
//! Flanagan and Golden 1966, Bell System Technical Journal 45(9); phases advance as in Laroche and Dolson 1999, IEEE TSAP
//! 7(3), with the bins around a peak locked to it (section III-B).

use std::f32::consts::TAU;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex32;

use super::hann;
use crate::error::{Error, Result};
use crate::features::mirrored;
use crate::resample::Resampler;

/// Samples of a window; a quarter from one to the next.
const WINDOW: usize = 512;
const HOP: usize = WINDOW / 4;
/// Rates for which the vocoder makes sense.
const RATES: std::ops::RangeInclusive<f64> = 0.25..=4.0;

/// The sound at `tempo` times its tempo, `round(length / tempo)` samples, at the same pitch.
///
/// # Errors
/// A tempo outside 0.25 to 4.
pub fn stretched(samples: &[f32], tempo: f64) -> Result<Vec<f32>> {
    if !RATES.contains(&tempo) {
        return Err(Error::setting("tempo", tempo, "from 0.25 to 4"));
    }
    let length = (samples.len() as f64 / tempo).round() as usize;
    if tempo == 1.0 || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let spectra = analysed(samples);
    Ok(synthesised(&advanced(&spectra, tempo), length))
}

/// The sound `semitones` higher (lower below 0), of the same length; the shift is right within a tenth of a semitone.
///
/// # Errors
/// More than two octaves.
pub fn pitch_shifted(samples: &[f32], semitones: f64) -> Result<Vec<f32>> {
    if !(-24.0..=24.0).contains(&semitones) {
        return Err(Error::setting("semitones", semitones, "from -24 to 24"));
    }
    let tempo = (-semitones / 12.0).exp2();
    let mut stretched = stretched(samples, tempo)?;
    if tempo != 1.0 {
        // A ratio in steps of 1/400 keeps the filters few.
        stretched = Resampler::new(400, (tempo * 400.0).round() as u32)?.apply(&stretched);
        stretched.resize(samples.len(), 0.0);
    }
    Ok(stretched)
}

/// Spectra `[WINDOW / 2 + 1]` of windows centred on every hop.
fn analysed(samples: &[f32]) -> Vec<Vec<Complex32>> {
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
    let (mut input, window) = (transform.make_input_vec(), hann(WINDOW));
    (0..=samples.len() / HOP)
        .map(|frame| {
            let first = (frame * HOP) as isize - (WINDOW / 2) as isize;
            for (i, (input, window)) in input.iter_mut().zip(&window).enumerate() {
                *input = samples[mirrored(first + i as isize, samples.len())] * window;
            }
            let mut output = transform.make_output_vec();
            let done = transform.process(&mut input, &mut output);
            debug_assert!(done.is_ok());
            output
        })
        .collect()
}

/// Spectra at `tempo` hops of the old: sizes between the two neighbours, phases that go on at the pace of the old.
fn advanced(spectra: &[Vec<Complex32>], tempo: f64) -> Vec<Vec<Complex32>> {
    let silent = vec![Complex32::default(); WINDOW / 2 + 1];
    let mut phases: Vec<f32> = spectra[0].iter().map(|value| value.arg()).collect();
    let mut out = Vec::new();
    for step in 0.. {
        let place = f64::from(step) * tempo;
        let (before, share) = (place as usize, place.fract() as f32);
        let Some(left) = spectra.get(before) else { break };
        let right = spectra.get(before + 1).unwrap_or(&silent);
        let sizes: Vec<f32> =
            left.iter().zip(right).map(|(a, b)| (1.0 - share) * a.norm() + share * b.norm()).collect();
        // Around a peak all bins are parts of one tone: they keep the angles that they had to it, and turn with it.
        let peaks = peaks(&sizes);
        let turned: Vec<f32> =
            (0..sizes.len()).map(|bin| left[bin].arg() + phases[peaks[bin]] - left[peaks[bin]].arg()).collect();
        out.push(sizes.iter().zip(&turned).map(|(size, phase)| Complex32::from_polar(*size, *phase)).collect());
        for (bin, phase) in phases.iter_mut().enumerate() {
            // What a tone in the middle of the bin would advance, and how far the sound departs from it.
            let usual = TAU * (bin * HOP) as f32 / WINDOW as f32;
            let departs = right[bin].arg() - left[bin].arg() - usual;
            *phase = (turned[bin] + usual + departs - TAU * (departs / TAU).round()).rem_euclid(TAU);
        }
    }
    out
}

/// For each bin, the peak that it belongs to: a bin larger than two neighbours on each side, the nearer of two.
fn peaks(sizes: &[f32]) -> Vec<usize> {
    let is_peak = |bin: usize| {
        let around = bin.saturating_sub(2)..(bin + 3).min(sizes.len());
        around.into_iter().all(|other| sizes[other] < sizes[bin] || other == bin)
    };
    let all: Vec<usize> = (0..sizes.len()).filter(|bin| is_peak(*bin)).collect();
    let mut next = 0;
    (0..sizes.len())
        .map(|bin| {
            while next + 1 < all.len() && all[next + 1].abs_diff(bin) < all[next].abs_diff(bin) {
                next += 1;
            }
            all.get(next).copied().unwrap_or(bin)
        })
        .collect()
}

/// Overlapping windows added up, by the sum of the squared windows.
fn synthesised(spectra: &[Vec<Complex32>], length: usize) -> Vec<f32> {
    let transform = RealFftPlanner::<f32>::new().plan_fft_inverse(WINDOW);
    let window = hann(WINDOW);
    let whole = spectra.len() * HOP + WINDOW;
    let (mut sum, mut weights) = (vec![0.0_f32; whole], vec![0.0_f32; whole]);
    let mut wave = transform.make_output_vec();
    for (frame, spectrum) in spectra.iter().enumerate() {
        let mut spectrum = spectrum.clone();
        // A real wave has no imaginary part there.
        spectrum[0].im = 0.0;
        spectrum[WINDOW / 2].im = 0.0;
        let done = transform.process(&mut spectrum, &mut wave);
        debug_assert!(done.is_ok());
        for (i, (sample, window)) in wave.iter().zip(&window).enumerate() {
            sum[frame * HOP + i] += sample / WINDOW as f32 * window;
            weights[frame * HOP + i] += window * window;
        }
    }
    let mut out: Vec<f32> =
        sum.iter().zip(&weights).map(|(sum, weight)| if *weight > 1e-4 { sum / weight } else { 0.0 }).collect();
    out.drain(..WINDOW / 2);
    out.resize(length, 0.0);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn tone(hertz: f32, length: usize) -> Vec<f32> {
        (0..length).map(|i| 0.5 * (TAU * hertz * i as f32 / 8000.0).sin()).collect()
    }

    /// The frequency by the zero crossings of the middle.
    fn hertz(samples: &[f32]) -> f32 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let crossings = middle.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        crossings as f32 * 8000.0 / middle.len() as f32
    }

    #[test]
    fn a_stretched_tone_has_its_pitch_and_another_length() {
        for tempo in [0.8, 0.95, 1.2, 2.0] {
            let out = stretched(&tone(440.0, 8000), tempo).unwrap();
            assert_eq!(out.len(), (8000.0 / tempo).round() as usize);
            assert!((hertz(&out) - 440.0).abs() < 6.0, "{tempo}: {}", hertz(&out));
            let power = out.iter().map(|sample| sample * sample).sum::<f32>() / out.len() as f32;
            assert!((power - 0.125).abs() < 0.02, "{tempo}: {power}");
        }
    }

    #[test]
    fn bins_belong_to_the_nearest_peak() {
        let sizes = [0.0, 1.0, 5.0, 1.0, 0.5, 0.4, 2.0, 9.0, 2.0, 1.0];
        assert_eq!(peaks(&sizes), [2, 2, 2, 2, 2, 7, 7, 7, 7, 7]);
        assert_eq!(peaks(&[0.0; 3]), [0, 1, 2]);
    }

    #[test]
    fn a_shifted_tone_has_another_pitch_and_its_length() {
        for (semitones, expected) in [(12.0, 880.0), (-12.0, 220.0), (4.0, 554.4), (-3.0, 370.0)] {
            let out = pitch_shifted(&tone(440.0, 8000), semitones).unwrap();
            assert_eq!(out.len(), 8000);
            assert!((hertz(&out) - expected).abs() < 0.015 * expected, "{semitones}: {}", hertz(&out));
        }
        assert_eq!(pitch_shifted(&tone(440.0, 300), 0.0).unwrap(), tone(440.0, 300));
    }

    #[test]
    fn windows_add_up_to_the_sound_again() {
        let sound = tone(333.0, 3000);
        let again = synthesised(&analysed(&sound), 3000);
        let worst = sound.iter().zip(&again).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn short_sounds_pass_and_odd_tempos_are_refused() {
        for length in [0, 1, 5, 300] {
            assert_eq!(stretched(&tone(440.0, length), 0.5).unwrap().len(), 2 * length);
        }
        assert!(stretched(&[0.0], 0.0).is_err() && stretched(&[0.0], f64::NAN).is_err());
        assert!(pitch_shifted(&[0.0], 30.0).is_err());
    }
}
