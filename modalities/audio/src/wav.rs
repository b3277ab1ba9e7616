//! Waves out again: WAV files of 16 bits, which every player knows.

use std::io::Cursor;

use crate::error::{Error, Result};

/// A mono WAV file of a wave in [−1, 1], at `rate` samples a second; what lies beyond is cut off.
///
/// # Errors
/// When the wave is too long for the format: 2 GB.
pub fn wav(wave: &[f32], rate: u32) -> Result<Vec<u8>> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let refused = |error: hound::Error| Error::damaged("a sound to be written", error.to_string());
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).map_err(refused)?;
    for sample in wave {
        writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16).map_err(refused)?;
    }
    writer.finalize().map_err(refused)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_wave_comes_back_to_a_rounding() {
        let wave: Vec<f32> = (0..200).map(|at| (at as f32 * 0.1).sin() * 0.9).chain([2.0, -2.0]).collect();
        let back = crate::decode("a.wav", wav(&wave, 8000).unwrap()).unwrap();
        assert_eq!((back.rate, back.samples.len()), (8000, 202));
        let near = |(wave, back): (&f32, &f32)| (wave.clamp(-1.0, 1.0) - back).abs() < 1e-4;
        assert!(wave.iter().zip(&back.samples).all(near));
    }
}
