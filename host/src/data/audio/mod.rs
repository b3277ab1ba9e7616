//! From the `[data.audio]` section to samples: sounds read from files, joined and cut, with units found in them.

mod clips;
mod extractor;
mod samples;
mod told;
mod units;
mod versions;

use std::path::PathBuf;
use std::sync::Arc;

use experiment::{AudioFeatures, DataAudio};
use modality_audio::{Clip, Joined, StringSettings, strings};
use philox::Key;
use serde_json::{Value as Json, json};

pub use clips::{ClipSettings, Clips, Skipped};
use extractor::Extractor;
pub use samples::AudioSamples;
use samples::{FIRST_TEST, FIRST_VALID, Labels, UnitsOf};
use told::Teller;
use units::Units;

use super::prepare::OnProgress;
use crate::error::{Error, Result};
use crate::loader::Catalogue;

/// Prepared sounds of a run.
pub struct AudioData {
    /// The samples to train on.
    pub train: Arc<AudioSamples>,
    /// The samples held out, where there are any.
    pub valid: Option<Arc<AudioSamples>>,
    /// The samples to measure on when the run has ended, where there are any.
    pub test: Option<Arc<AudioSamples>>,
    /// The classes, sorted; empty without labels.
    pub labels: Vec<String>,
    /// The number of different units, a blank included; 0 for none.
    pub units: usize,
    /// The unit that stands for nothing, where there is one.
    pub blank: Option<usize>,
    /// A hash of all files and of what is made of them.
    pub fingerprint: String,
}

/// What a model must know of the sounds of a section to hear others as these.
pub(super) fn heard_facts(data: &DataAudio) -> Json {
    let DataAudio { frames, bins, frames_per_unit, rate, features, normalise, .. } = *data;
    let features = match features {
        AudioFeatures::Waveform => "waveform",
        AudioFeatures::Fbank => "fbank",
        AudioFeatures::LogMel => "log_mel",
    };
    let mut facts = json!({
        "frames": frames,
        "bins": bins,
        "frames_per_unit": frames_per_unit,
        "rate": rate,
        "features": features,
        "normalise": normalise,
    });
    if data.features != AudioFeatures::Waveform {
        facts["hop_milliseconds"] = json!(data.hop_milliseconds);
        facts["window_milliseconds"] = json!(data.window_milliseconds);
    }
    facts
}

/// Reads the sounds of `[data.audio]`, each once and whole, so that what is damaged shows before the first step.
///
/// # Errors
/// Files that are missing, damaged (unless they are to be skipped) or not labelled as the training files are; settings that
/// features cannot be made with; fewer frames than units; a model for units that cannot be opened or hears other sounds.
pub fn prepare_audio(data: &DataAudio, catalogue: &Catalogue, on_progress: OnProgress<'_>) -> Result<AudioData> {
    let model = data.unit_model.as_ref().filter(|_| data.units > 0);
    let teller = model.map(|place| Teller::open(place, data, &heard_facts(data), catalogue)).transpose()?;
    let extractor = Arc::new(Extractor::new(data)?);
    let settings = ClipSettings { least: extractor.least(data), ..ClipSettings::of(data)? };
    let mut read = |files: &[PathBuf]| -> Result<Option<Clips>> {
        if files.is_empty() {
            return Ok(None);
        }
        let clips = Clips::read(files, &settings, &mut |done| on_progress("reading the sounds", done, 0))?;
        clips.require_some(files)?;
        Ok(Some(clips))
    };
    let nothing = || Error::new("data/audio", "`files` is empty").with_help("name at least one file to learn from");
    let train = read(&data.files)?.ok_or_else(nothing)?;
    let (valid, test) = (read(&data.valid_files)?, read(&data.test_files)?);
    let labels = Arc::new(Labels::of(&train)?);
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"sounds 1");
    for clips in [Some(&train), valid.as_ref(), test.as_ref()] {
        hasher.update(clips.map_or("-", Clips::hash).as_bytes());
    }
    if let Some(teller) = &teller {
        hasher.update(teller.hash.as_bytes());
    }
    let fingerprint = hasher.finalize().to_hex().to_string();

    let part = |clips: Clips, first: u64| -> Result<AudioSamples> {
        let sounds = joined(&clips, data)?;
        AudioSamples::new(data, clips, sounds, Arc::clone(&extractor), Arc::clone(&labels), first)
    };
    let mut train = part(train, 0)?;
    train.keep_share(data.train_share, Key::root(data.seed).stream("train share"));
    let mut valid = valid.map(|clips| part(clips, FIRST_VALID)).transpose()?;
    let mut test = test.map(|clips| part(clips, FIRST_TEST)).transpose()?;
    let mut parts: Vec<&mut AudioSamples> =
        [Some(&mut train), valid.as_mut(), test.as_mut()].into_iter().flatten().collect();
    if let Some(teller) = &teller {
        let heard: Vec<&AudioSamples> = parts.iter().map(|part| &**part).collect();
        let told = teller.tell(&heard, data, on_progress)?;
        for (samples, (clean, changed)) in parts.iter_mut().zip(told) {
            samples.set_units(UnitsOf::Tables(clean, changed));
        }
    } else if data.units > 0 {
        let units = Arc::new(Units::of(parts[0], data, &extractor, on_progress)?);
        parts.iter_mut().for_each(|samples| samples.set_units(UnitsOf::Waves(Arc::clone(&units))));
    }
    Ok(AudioData {
        train: Arc::new(train),
        valid: valid.map(Arc::new),
        test: test.map(Arc::new),
        labels: labels.names.clone(),
        units: teller.as_ref().map_or(data.units, |teller| teller.units),
        blank: teller.as_ref().and_then(|teller| teller.blank),
        fingerprint,
    })
}

/// The clips as sounds: joined by speaker where the settings say so, else each by itself.
fn joined(clips: &Clips, data: &DataAudio) -> Result<Vec<Joined>> {
    let lengths = clips.lengths();
    let ([least, most], [shortest, longest]) = (data.join.as_slice(), data.silence_milliseconds.as_slice()) else {
        return Ok(lengths.iter().enumerate().map(|(clip, length)| Joined::single(clip, *length)).collect());
    };
    let speaker = |item: &modality_audio::Item| {
        item.speaker.clone().ok_or_else(|| {
            Error::new(
                "data/audio",
                format!("{}: nothing says who speaks, and clips of one speaker are joined", item.name()),
            )
            .with_help("say where the name stands, `pattern = \"{label}_{speaker}_*.wav\"`, or leave `join` out")
        })
    };
    let speakers = clips.items().iter().map(speaker).collect::<Result<Vec<_>>>()?;
    let those: Vec<Clip<'_>> =
        speakers.iter().zip(lengths).map(|(speaker, length)| Clip { speaker, length: *length }).collect();
    let settings =
        StringSettings { clips: [*least, *most], silence_milliseconds: [*shortest, *longest], rate: data.rate };
    Ok(strings(&those, &settings, Key::root(data.seed).stream("strings"))?)
}
