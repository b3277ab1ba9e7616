//! Bytes of a file to a mono sound: WAV by hound; FLAC, Ogg Vorbis and MP3 by symphonia.

use std::io::Cursor;

use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::{CODEC_TYPE_NULL, Decoder, DecoderOptions};
use symphonia::core::errors::Error as Fault;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::probe::Hint;

use crate::error::{Error, Result};

/// A mono sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// The wave, full scale at ±1; several channels are mixed by their mean.
    pub samples: Vec<f32>,
}

impl Sound {
    /// Its length.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}

/// Decodes a whole file; `place` names it in errors. What it is, its first bytes tell.
///
/// # Errors
/// [`Error::Damaged`] when it is empty, cut off, damaged, or of a kind that is not known.
pub fn decode(place: &str, bytes: Vec<u8>) -> Result<Sound> {
    if bytes.is_empty() {
        return Err(Error::damaged(place, "the file is empty"));
    }
    let sound = if bytes.starts_with(b"RIFF") { wave(&bytes) } else { packed(bytes) };
    let sound = sound.map_err(|reason| Error::damaged(place, reason))?;
    if sound.samples.is_empty() {
        return Err(Error::damaged(place, "there is no sample in it"));
    }
    if sound.samples.iter().any(|sample| !sample.is_finite()) {
        return Err(Error::damaged(place, "a sample is not a finite number"));
    }
    Ok(sound)
}

fn wave(bytes: &[u8]) -> Result<Sound, String> {
    let told = |error: hound::Error| match error {
        hound::Error::IoError(error) => format!("the WAV file is cut off or damaged: {error}"),
        hound::Error::Unsupported => {
            "this kind of WAV file is not read, only PCM and floating point: convert it".to_owned()
        }
        other => format!("damaged WAV file: {other}"),
    };
    let reader = hound::WavReader::new(Cursor::new(bytes)).map_err(told)?;
    let format = reader.spec();
    let samples: Vec<f32> = match format.sample_format {
        hound::SampleFormat::Float => reader.into_samples::<f32>().collect::<Result<_, _>>().map_err(told)?,
        hound::SampleFormat::Int => {
            if !(1..=32).contains(&format.bits_per_sample) {
                return Err(format!("damaged WAV file: {} bits a sample", format.bits_per_sample));
            }
            let scale = 1.0 / (1_u64 << (format.bits_per_sample - 1)) as f64;
            let scaled = |sample: i32| (f64::from(sample) * scale) as f32;
            reader.into_samples::<i32>().map(|sample| sample.map(scaled)).collect::<Result<_, _>>().map_err(told)?
        }
    };
    mono(format.sample_rate, usize::from(format.channels), samples)
}

/// The mean of the channels.
fn mono(rate: u32, channels: usize, samples: Vec<f32>) -> Result<Sound, String> {
    if rate == 0 || channels == 0 || !samples.len().is_multiple_of(channels) {
        return Err(format!("{} samples of {channels} channels at {rate} a second cannot be", samples.len()));
    }
    let samples = match channels {
        1 => samples,
        _ => samples.chunks_exact(channels).map(|all| all.iter().sum::<f32>() / channels as f32).collect(),
    };
    Ok(Sound { rate, samples })
}

fn packed(bytes: Vec<u8>) -> Result<Sound, String> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    // Without the encoder's padding, where the file tells it.
    let options = FormatOptions { enable_gapless: true, ..FormatOptions::default() };
    let mut format = symphonia::default::get_probe()
        .format(&Hint::new(), stream, &options, &MetadataOptions::default())
        .map_err(|_| "it is no WAV, FLAC, Ogg Vorbis or MP3 file".to_owned())?
        .format;
    let track = format
        .tracks()
        .iter()
        .find(|track| track.codec_params.codec != CODEC_TYPE_NULL)
        .ok_or("there is no sound in it that can be read")?;
    let (number, told) = (track.id, track.codec_params.n_frames);
    let mut decoder = symphonia::default::get_codecs()
        .make(&track.codec_params, &DecoderOptions { verify: true })
        .map_err(|error| format!("it cannot be decoded: {error}"))?;
    let (rate, channels, samples) = packets(&mut *format, &mut *decoder, number)?;
    if decoder.finalize().verify_ok == Some(false) {
        return Err("damaged: its check sum is not that of its content".into());
    }
    let there = samples.len() / channels.max(1);
    if let Some(told) = told.filter(|told| (there as u64) < *told) {
        return Err(format!("the file is cut off: {there} of {told} samples are there"));
    }
    mono(rate, channels, samples)
}

/// Rate, channels and all samples of a track, channel by channel in each frame.
fn packets(
    format: &mut dyn FormatReader,
    decoder: &mut dyn Decoder,
    number: u32,
) -> Result<(u32, usize, Vec<f32>), String> {
    let (mut rate, mut channels, mut samples) = (0, 0, Vec::new());
    loop {
        let packet = match format.next_packet() {
            Ok(packet) => packet,
            // The end of the stream is told like this.
            Err(Fault::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(format!("damaged: {error}")),
        };
        if packet.track_id() != number {
            continue;
        }
        let decoded = decoder.decode(&packet).map_err(|error| format!("damaged: {error}"))?;
        let spec = *decoded.spec();
        if rate != 0 && (rate, channels) != (spec.rate, spec.channels.count()) {
            return Err("its rate or number of channels changes inside the file".into());
        }
        (rate, channels) = (spec.rate, spec.channels.count());
        let mut buffer = SampleBuffer::<f32>::new(decoded.capacity() as u64, spec);
        buffer.copy_interleaved_ref(decoded);
        samples.extend_from_slice(buffer.samples());
    }
    if rate == 0 {
        return Err("there is no sample in it".into());
    }
    Ok((rate, channels, samples))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn wav(spec: hound::WavSpec, samples: &[i32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            match spec.sample_format {
                hound::SampleFormat::Int => writer.write_sample(*sample).unwrap(),
                hound::SampleFormat::Float => writer.write_sample(*sample as f32 / 128.0).unwrap(),
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn spec(channels: u16, bits: u16) -> hound::WavSpec {
        let sample_format = if bits == 32 { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
        hound::WavSpec { channels, sample_rate: 8000, bits_per_sample: bits, sample_format }
    }

    #[test]
    fn samples_of_every_width_have_one_scale() {
        for (bits, one) in [(8, 1), (16, 256), (24, 65_536), (32, 1)] {
            let sound = decode("a", wav(spec(1, bits), &[0, 64 * one, -128 * one])).unwrap();
            assert_eq!(sound, Sound { rate: 8000, samples: vec![0.0, 0.5, -1.0] }, "{bits}");
        }
    }

    #[test]
    fn channels_are_mixed_by_their_mean() {
        let sound = decode("a", wav(spec(2, 8), &[64, 0, -128, -64])).unwrap();
        assert_eq!(sound.samples, [0.25, -0.75]);
        assert!((sound.seconds() - 2.0 / 8000.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_sound_is_told_by_name() {
        let whole = wav(spec(1, 16), &[5; 100]);
        let nan = {
            let mut bytes = wav(spec(1, 32), &[1, 2]);
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
            bytes
        };
        for (bytes, reason) in [
            (Vec::new(), "empty"),
            (whole[..whole.len() - 3].to_vec(), "cut off"),
            (whole[..20].to_vec(), "damaged"),
            (wav(spec(1, 16), &[]), "no sample"),
            (b"This is a text and no sound at all, however long it may be.".to_vec(), "no WAV"),
            (nan, "finite"),
        ] {
            let error = decode("x/a.wav", bytes).unwrap_err();
            assert!(error.is_of_one_sound() && error.to_string().starts_with("x/a.wav: "), "{error}");
            assert!(error.to_string().contains(reason), "{error} lacks {reason}");
        }
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), head in 0_usize..5) {
            let heads: [&[u8]; 5] = [b"", b"RIFF\x40\0\0\0WAVEfmt \x10\0\0\0\x01\0", b"fLaC\0\0\0\x22", b"OggS\0\x02", b"\xff\xfb\x90\x00"];
            let mut all = heads[head].to_vec();
            all.append(&mut bytes);
            let _ = decode("any", all);
        }
    }
}
