//! Features and decoding held against torchaudio and kaldi-native-fbank; `data/make.py` made the numbers.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use modality_audio::{
    Fbank, FbankSettings, LogMel, LogMelSettings, Mfcc, MfccSettings, Resampler, Sound, decode, with_deltas,
};

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn numbers(name: &str) -> Vec<f32> {
    bytes(&format!("{name}.f32")).chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect()
}

fn speech(name: &str) -> Sound {
    decode(name, bytes(name)).unwrap()
}

fn at(rate: u32) -> Vec<f32> {
    Resampler::new(22_050, rate).unwrap().apply(&speech("speech.wav").samples)
}

/// The greatest difference, both being of one length.
fn worst(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn other_rates_are_torchaudios() {
    let at_8k = worst(&at(8000), &numbers("resampled_8000"));
    let sound = at(16_000);
    let at_16k = worst(&sound[sound.len() - 1600..], &numbers("resampled_16000_end"));
    assert!(at_8k < 1e-6 && at_16k < 1e-6, "{at_8k} {at_16k}");
}

#[test]
fn the_filterbank_is_kaldis() {
    let usual = Fbank::new(FbankSettings::new(16_000)).unwrap().apply(&at(16_000));
    let difference = worst(&usual.values, &numbers("fbank_80"));
    assert!(difference < 1e-3, "{difference}");
    let settings =
        FbankSettings { bins: 23, low_hertz: 100.0, high_hertz: -400.0, scale: 1.0, ..FbankSettings::new(22_050) };
    let other = Fbank::new(settings).unwrap().apply(&speech("speech.wav").samples);
    let difference = worst(&other.values, &numbers("fbank_23_unscaled"));
    assert!(difference < 1e-3, "{difference}");
}

#[test]
fn cepstra_and_their_slopes_are_kaldis() {
    let cepstra = Mfcc::new(MfccSettings::new(16_000)).unwrap().apply(&at(16_000));
    let difference = worst(&with_deltas(&cepstra).values, &numbers("mfcc_39"));
    assert!(difference < 1e-3, "{difference}");
}

#[test]
fn the_log_mel_spectrogram_is_torchaudios() {
    let settings = LogMelSettings { bins: 40, ..LogMelSettings::new(8000) };
    let ours = LogMel::new(settings).unwrap().apply(&at(8000));
    let difference = worst(&ours.values, &numbers("log_mel_40"));
    assert!(difference < 1e-3, "{difference}");
}

#[test]
fn every_format_holds_the_same_speech() {
    let wav = speech("speech.wav");
    assert_eq!((wav.rate, wav.samples.len()), (22_050, 8820));
    assert_eq!(speech("speech.flac"), wav);
    let power = |samples: &[f32]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    for name in ["speech.ogg", "speech.mp3"] {
        let sound = speech(name);
        assert_eq!(sound.rate, 22_050);
        // What was lost in packing is far below the speech, wherever the packer lets it begin.
        let lost = (0..2500_usize)
            .filter(|shift| sound.samples.len() >= 8000 + shift)
            .map(|shift| {
                let pairs = sound.samples[shift..shift + 8000].iter().zip(&wav.samples);
                power(&pairs.map(|(a, b)| a - b).collect::<Vec<f32>>())
            })
            .fold(f64::INFINITY, f64::min);
        let ratio = 10.0 * (power(&wav.samples[..8000]) / lost).log10();
        assert!(ratio > 10.0, "{name}: {ratio} dB");
    }
    // The right channel is half of the left one upside down.
    let mixed = speech("stereo.flac");
    assert_eq!(mixed.samples.len(), 4000);
    let quarter: Vec<f32> = wav.samples[..4000].iter().map(|sample| sample / 4.0).collect();
    assert!(worst(&mixed.samples, &quarter) < 2.0 / 32768.0);
}

#[test]
fn packed_files_that_were_cut_off_or_changed_are_told() {
    for name in ["speech.flac", "speech.ogg", "stereo.flac"] {
        let whole = bytes(name);
        let error = decode(name, whole[..whole.len() / 2].to_vec()).unwrap_err();
        assert!(error.is_of_one_sound() && error.to_string().starts_with(name), "{error}");
        for place in [whole.len() / 3, whole.len() / 2, whole.len() - 40] {
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            assert!(decode(name, changed).is_err(), "{name}: byte {place}");
        }
    }
    // An MP3 says nowhere how long it is; whatever is decoded, there is no panic.
    let whole = bytes("speech.mp3");
    for end in (0..whole.len()).step_by(97) {
        let _ = decode("speech.mp3", whole[..end].to_vec());
    }
}
