//! The data of a run, whatever its modality: samples, how rows are filled, what plugins may know of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use experiment::{Data, DataAudio, DataImage, DataSource, FRAMES_PER_UNIT};
use serde_json::json;

use super::audio::{heard_facts, prepare_audio};
use super::pictures::prepare_images;
use super::prepare::{OnProgress, TextData, prepare_text};
use super::source::SharedSource;
use super::synthetic::{SyntheticAudio, SyntheticImages};
use crate::error::Result;
use crate::loader::Catalogue;

/// The data of a run.
pub struct RunData {
    /// The samples to train on.
    pub train: SharedSource,
    /// The samples held out, where there are any.
    pub valid: Option<SharedSource>,
    /// The samples to measure on when the run has ended, where there are any.
    pub test: Option<SharedSource>,
    /// Tokenizer and samples, where it is text.
    pub text: Option<TextData>,
    /// A hash of all samples, or what they are made from.
    pub fingerprint: String,
    /// By modality, what plugins may know of it, as JSON: a vocabulary with labels, the size of pictures, the length of sounds.
    pub facts: BTreeMap<String, String>,
    /// Rows of the longest sample, or what a packed row holds.
    pub length: usize,
    /// Whether several samples share a row.
    pub packing: bool,
    /// Whether samples of about one length share a batch.
    pub by_length: bool,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
}

impl RunData {
    /// Prepares the data of an experiment, or finds it prepared.
    ///
    /// # Errors
    /// As [`prepare_text`], [`prepare_images`] and [`prepare_audio`]; synthetic data needs nothing.
    pub fn prepare(data: &Data, catalogue: &Catalogue, on_progress: OnProgress<'_>) -> Result<Self> {
        Ok(match data {
            Data::Text(settings) => of_text(prepare_text(settings, on_progress)?),
            Data::Image(settings) if settings.source == DataSource::Files => of_pictures(settings, on_progress)?,
            Data::Image(settings) => of_images(settings),
            Data::Audio(settings) if settings.source == DataSource::Files => {
                of_sounds(settings, catalogue, on_progress)?
            }
            Data::Audio(settings) => of_audio(settings),
            other => return Err(crate::error::Error::not_yet(other.header())),
        })
    }
}

fn of_text(text: TextData) -> RunData {
    let vocabulary = text.vocabulary();
    let facts = json!({
        "size": vocabulary.size,
        "pad": vocabulary.pad,
        "begin": vocabulary.begin,
        "end": vocabulary.end,
        "mask": vocabulary.mask,
        "unknown": vocabulary.unknown,
        "sentinels": vocabulary.sentinels,
        "special": vocabulary.special,
        "label_kind": text.labels.as_ref().map(|labels| labels.kind.name()),
        "labels": text.labels.as_ref().map(|labels| &labels.names),
    });
    RunData {
        train: text.train.clone(),
        valid: text.valid.clone().map(|valid| valid as SharedSource),
        test: text.test.clone().map(|test| test as SharedSource),
        fingerprint: text.fingerprint.clone(),
        facts: BTreeMap::from([("text".to_owned(), facts.to_string())]),
        length: text.settings.length,
        packing: text.settings.packing,
        by_length: false,
        shuffle: text.settings.shuffle,
        text: Some(text),
    }
}

fn of_pictures(settings: &DataImage, on_progress: OnProgress<'_>) -> Result<RunData> {
    let pictures = prepare_images(settings, on_progress)?;
    let DataImage { height, width, channels, shuffle, .. } = *settings;
    let labels = (!pictures.labels.is_empty()).then_some(&pictures.labels);
    let facts = json!({
        "height": height,
        "width": width,
        "channels": channels,
        "mean": settings.mean,
        "std": settings.std,
        "label_kind": labels.map(|_| if settings.maps.is_empty() { "class" } else { "classes" }),
        "labels": labels,
    });
    Ok(RunData {
        train: pictures.train,
        valid: pictures.valid.map(|valid| valid as SharedSource),
        test: pictures.test.map(|test| test as SharedSource),
        text: None,
        fingerprint: pictures.fingerprint,
        facts: BTreeMap::from([("image".to_owned(), facts.to_string())]),
        length: 1,
        packing: false,
        by_length: false,
        shuffle,
    })
}

fn of_images(settings: &DataImage) -> RunData {
    let DataImage { height, width, channels, samples, valid_samples, shuffle, .. } = *settings;
    let part = |first: usize, count| Arc::new(SyntheticImages::new(settings, first as u64, count)) as SharedSource;
    let facts = json!({ "height": height, "width": width, "channels": channels });
    RunData {
        train: part(0, samples),
        valid: (valid_samples > 0).then(|| part(samples, valid_samples)),
        test: None,
        text: None,
        fingerprint: fingerprint(&format!("{} {height} {width} {channels} {samples} {valid_samples}", settings.seed)),
        facts: BTreeMap::from([("image".to_owned(), facts.to_string())]),
        length: 1,
        packing: false,
        by_length: false,
        shuffle,
    }
}

fn of_sounds(settings: &DataAudio, catalogue: &Catalogue, on_progress: OnProgress<'_>) -> Result<RunData> {
    let sounds = prepare_audio(settings, catalogue, on_progress)?;
    let DataAudio { frames, frames_per_unit, packing, by_length, shuffle, .. } = *settings;
    let labels = (!sounds.labels.is_empty()).then_some(&sounds.labels);
    let mut facts = heard_facts(settings);
    facts["units"] = json!(sounds.units);
    facts["blank"] = json!(sounds.blank);
    facts["label_kind"] = json!(labels.map(|_| "class"));
    facts["labels"] = json!(labels);
    Ok(RunData {
        train: sounds.train,
        valid: sounds.valid.map(|valid| valid as SharedSource),
        test: sounds.test.map(|test| test as SharedSource),
        text: None,
        fingerprint: sounds.fingerprint,
        facts: BTreeMap::from([("audio".to_owned(), facts.to_string())]),
        length: frames / frames_per_unit,
        packing,
        by_length,
        shuffle,
    })
}

fn of_audio(settings: &DataAudio) -> RunData {
    let DataAudio { frames, bins, units, samples, valid_samples, shuffle, .. } = *settings;
    let part = |first: usize, count| Arc::new(SyntheticAudio::new(settings, first as u64, count)) as SharedSource;
    let facts = json!({ "frames": frames, "bins": bins, "units": units, "frames_per_unit": FRAMES_PER_UNIT });
    RunData {
        train: part(0, samples),
        valid: (valid_samples > 0).then(|| part(samples, valid_samples)),
        test: None,
        text: None,
        fingerprint: fingerprint(&format!("{settings:?}")),
        facts: BTreeMap::from([("audio".to_owned(), facts.to_string())]),
        length: frames / FRAMES_PER_UNIT,
        packing: false,
        by_length: false,
        shuffle,
    }
}

/// The number before it goes up when synthetic samples change.
fn fingerprint(settings: &str) -> String {
    blake3::hash(format!("synthetic 1 {settings}").as_bytes()).to_hex().to_string()
}
