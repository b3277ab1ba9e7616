//! Windows of a wave and their power spectra.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use crate::error::{Error, Result};

/// The number of windows of `window` samples, `hop` apart, that lie whole inside `length` samples.
#[must_use]
pub fn frames_without_edges(length: usize, window: usize, hop: usize) -> usize {
    if length < window { 0 } else { 1 + (length - window) / hop.max(1) }
}

/// Power spectra of windows of one size.
#[derive(Clone)]
pub(super) struct Spectrum {
    transform: Arc<dyn RealToComplex<f32>>,
    input: Vec<f32>,
    output: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Spectrum {
    /// Of transforms of `size` samples.
    pub(super) fn new(size: usize) -> Self {
        let transform = RealFftPlanner::new().plan_fft_forward(size);
        let (input, output) = (transform.make_input_vec(), transform.make_output_vec());
        let scratch = transform.make_scratch_vec();
        Self { transform, input, output, scratch }
    }

    /// The power `[size / 2 + 1]` of what `fill` writes into a window that holds zeros.
    pub(super) fn power(&mut self, fill: impl FnOnce(&mut [f32]), power: &mut Vec<f32>) {
        self.input.fill(0.0);
        fill(&mut self.input);
        // The lengths are the plan's own, so nothing can be refused.
        let done = self.transform.process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch);
        debug_assert!(done.is_ok());
        power.clear();
        power.extend(self.output.iter().map(|value| value.norm_sqr()));
    }
}

/// Partial sums that processors add side by side, where one sum would wait for each addition.
const LANES: usize = 8;

/// The sum of a wave.
pub(super) fn sum(wave: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = wave.as_chunks::<LANES>();
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().chain(rest).sum()
}

/// Σ aᵢ bᵢ over the shorter of both.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..length].as_chunks::<LANES>(), b[..length].as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.into_iter().chain(a_rest.iter().zip(b_rest).map(|(a, b)| a * b)).sum()
}

/// What `milliseconds` are in samples, at least one.
///
/// # Errors
/// No time at all, or more than a minute.
pub(super) fn in_samples(setting: &'static str, milliseconds: f64, rate: u32) -> Result<usize> {
    let samples = milliseconds * f64::from(rate) / 1000.0;
    if !(samples >= 1.0 && milliseconds <= 60_000.0) {
        return Err(Error::setting(setting, milliseconds, "at least one sample and at most a minute, in milliseconds"));
    }
    Ok(samples as usize)
}
