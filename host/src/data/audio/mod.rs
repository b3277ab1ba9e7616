//! From the `[data.audio]` section to samples: sounds read from files, joined and cut, with units found in them.

mod clips;
mod extractor;
mod samples;
mod units;

use std::path::PathBuf;
use std::sync::Arc;

use experiment::DataAudio;
use modality_audio::{Clip, Joined, StringSettings, strings};
use philox::Key;

pub use clips::{ClipSettings, Clips, Skipped};
use extractor::Extractor;
pub use samples::AudioSamples;
use samples::{FIRST_TEST, FIRST_VALID, Labels};
use units::Units;

use super::prepare::OnProgress;
use crate::error::{Error, Result};

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
    /// A hash of all files and of what is made of them.
    pub fingerprint: String,
}

/// Reads the sounds of `[data.audio]`, each once and whole, so that what is damaged shows before the first step.
///
/// # Errors
/// Files that are missing, damaged (unless they are to be skipped) or not labelled as the training files are; settings that
/// features cannot be made with; fewer frames than units.
pub fn prepare_audio(data: &DataAudio, on_progress: OnProgress<'_>) -> Result<AudioData> {
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
    let fingerprint = hasher.finalize().to_hex().to_string();

    let part = |clips: Clips, first: u64| -> Result<AudioSamples> {
        let sounds = joined(&clips, data)?;
        AudioSamples::new(data, clips, sounds, Arc::clone(&extractor), Arc::clone(&labels), first)
    };
    let mut train = part(train, 0)?;
    let mut valid = valid.map(|clips| part(clips, FIRST_VALID)).transpose()?;
    let mut test = test.map(|clips| part(clips, FIRST_TEST)).transpose()?;
    if data.units > 0 {
        let units = Arc::new(Units::of(&train, data, on_progress)?);
        for samples in [Some(&mut train), valid.as_mut(), test.as_mut()].into_iter().flatten() {
            samples.set_units(Arc::clone(&units));
        }
    }
    Ok(AudioData {
        train: Arc::new(train),
        valid: valid.map(Arc::new),
        test: test.map(Arc::new),
        labels: labels.names.clone(),
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
