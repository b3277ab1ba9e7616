//! Samples of sound: pieces of clips or of joined clips, as features with units and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use experiment::DataAudio;
use modality_audio::augment::{MaskSettings, add_noise, mask_features, pitch_shifted};
use modality_audio::{Joined, Joint};
use philox::Key;

use super::clips::Clips;
use super::extractor::Extractor;
use super::units::Units;
use crate::boundary::ColumnData;
use crate::data::source::{BatchColumn, Source};
use crate::error::{Error, Result};

/// Ids of held-out samples begin here, so that no two samples of a run share one.
pub(super) const FIRST_VALID: u64 = 1 << 40;
/// The same of those that are measured at the end.
pub(super) const FIRST_TEST: u64 = 1 << 41;
/// The label of a row in which nobody speaks; losses pass it over.
const NO_LABEL: i64 = -100;

/// The classes of the training sounds.
pub(super) struct Labels {
    /// Sorted; a label is the number of its name.
    pub(super) names: Vec<String>,
}

impl Labels {
    /// Those of the training sounds.
    ///
    /// # Errors
    /// When some have a label and some have none.
    pub(super) fn of(train: &Clips) -> Result<Self> {
        let names: BTreeSet<&String> = train.items().iter().filter_map(|item| item.label.as_ref()).collect();
        if let Some(item) = train.items().iter().find(|item| item.label.is_none() && !names.is_empty()) {
            return Err(Error::new("data/labels", format!("{} has no label, and others have one", item.name())));
        }
        Ok(Self { names: names.into_iter().cloned().collect() })
    }

    fn number(&self, item: &modality_audio::Item) -> Result<Option<u32>> {
        if self.names.is_empty() {
            return Ok(None);
        }
        let label = item.label.as_ref().ok_or_else(|| {
            Error::new("data/labels", format!("{} has no label, and the training sounds have one", item.name()))
        })?;
        let number = self.names.binary_search(label).map_err(|_| {
            let known: Vec<&str> = self.names.iter().take(12).map(String::as_str).collect();
            Error::new("data/labels", format!("{}: the label `{label}` is none of the training sounds'", item.name()))
                .with_help(format!("they have {}", known.join(", ")))
        })?;
        Ok(Some(number as u32))
    }
}

/// A stretch of a sound that makes one sample.
#[derive(Clone, Copy, Debug)]
struct Piece {
    sound: usize,
    first: usize,
    samples: usize,
    rows: usize,
}

/// Samples by number: `audio.features` f32 `[rows · frames_per_unit, bins]` and, where there are such, `audio.units` u32 and
/// `audio.row_labels` i64 (−100 in silence) and `audio.row_places` f32 (the share of the clip that has passed, from 0 to below 1; −1
/// in silence) for each row, `audio.label` u32 of a clip, `audio.labels` u32 of all its clips in order, `audio.text` in UTF-8.
pub struct AudioSamples {
    settings: DataAudio,
    clips: Clips,
    sounds: Vec<Joined>,
    pieces: Vec<Piece>,
    first: u64,
    extractor: Arc<Extractor>,
    units: Option<Arc<Units>>,
    /// The label of each clip.
    labels: Vec<Option<u32>>,
}

impl AudioSamples {
    /// The pieces of `sounds`; their ids begin at `first`.
    pub(super) fn new(
        settings: &DataAudio,
        clips: Clips,
        sounds: Vec<Joined>,
        extractor: Arc<Extractor>,
        labels: Arc<Labels>,
        first: u64,
    ) -> Result<Self> {
        let labels = clips.items().iter().map(|item| labels.number(item)).collect::<Result<_>>()?;
        let (most, least) = (extractor.samples(settings.frames), extractor.least(settings));
        let mut pieces = Vec::new();
        for (sound, joined) in sounds.iter().enumerate() {
            let mut first = 0;
            while joined.length - first >= least {
                let samples = most.max(least).min(joined.length - first);
                let frames = extractor.frames(samples).min(settings.frames);
                pieces.push(Piece { sound, first, samples, rows: frames / settings.frames_per_unit });
                first += samples;
            }
        }
        Ok(Self { settings: settings.clone(), clips, sounds, pieces, first, extractor, units: None, labels })
    }

    pub(super) fn set_units(&mut self, units: Arc<Units>) {
        self.units = Some(units);
    }

    /// The clips under the samples.
    #[must_use]
    pub fn clips(&self) -> &Clips {
        &self.clips
    }

    /// The number of samples.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Rows of all samples.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.pieces.iter().map(|piece| piece.rows).sum()
    }

    /// What the pieces depend on beside the files.
    pub(super) fn pieces_in_words(&self) -> String {
        format!("{} {} {}", self.count(), self.rows(), self.pieces.iter().map(|piece| piece.samples).sum::<usize>())
    }

    /// The wave of a sample.
    pub(super) fn wave(&self, sample: usize) -> Result<Vec<f32>> {
        let Piece { sound, first, samples, .. } = self.pieces[sample];
        let mut wave = vec![0.0; samples];
        for joint in &self.sounds[sound].joints {
            let (from, to) = (joint.first.max(first), (joint.first + joint.length).min(first + samples));
            if from < to {
                let clip = self.clips.wave(joint.clip)?;
                wave[from - first..to - first].copy_from_slice(&clip[from - joint.first..to - joint.first]);
            }
        }
        Ok(wave)
    }

    /// The wave as training hears it.
    fn changed(&self, mut wave: Vec<f32>, key: Key) -> Result<Vec<f32>> {
        let semitones = self.settings.pitch_semitones;
        if semitones > 0.0 {
            wave = pitch_shifted(&wave, (2.0 * key.stream("pitch").uniform(0) - 1.0) * semitones)?;
        }
        if let [least, most] = *self.settings.noise_decibels {
            let key = key.stream("noise");
            add_noise(&mut wave, least + (most - least) * key.uniform(0), key.stream("wave"));
        }
        Ok(wave)
    }

    fn masks(&self) -> MaskSettings {
        let DataAudio { time_masks, time_mask_frames, frequency_masks, frequency_mask_bins, .. } = self.settings;
        MaskSettings {
            time_masks,
            time_frames: time_mask_frames,
            time_share: 1.0,
            frequency_masks,
            frequency_bins: frequency_mask_bins,
        }
    }

    /// Whether each sample is one clip, with one label and text.
    fn is_single(&self) -> bool {
        self.settings.join.is_empty()
    }

    fn is_labelled(&self) -> bool {
        self.labels.first().is_some_and(Option::is_some)
    }

    /// The clips of which at least a half is in the piece, in order.
    fn clips_in(&self, piece: Piece) -> impl Iterator<Item = usize> {
        let (first, last) = (piece.first, piece.first + piece.samples);
        self.sounds[piece.sound].joints.iter().filter_map(move |joint| {
            let inside = (joint.first + joint.length).min(last).saturating_sub(joint.first.max(first));
            (2 * inside >= joint.length || self.is_single()).then_some(joint.clip)
        })
    }
}

impl Source for AudioSamples {
    fn modality(&self) -> &'static str {
        "audio"
    }

    fn len(&self) -> usize {
        self.count()
    }

    /// One row for each unit.
    fn length(&self, sample: usize) -> usize {
        self.pieces[sample].rows
    }

    fn id(&self, sample: usize) -> u64 {
        self.first + sample as u64
    }

    fn read(&self, sample: usize, augment: Option<Key>) -> Result<BTreeMap<String, ColumnData>> {
        let piece = self.pieces[sample];
        let stride = self.settings.frames_per_unit;
        let middles = || (0..piece.rows).map(|row| self.extractor.middle(row * stride));
        let wave = self.wave(sample)?;
        let mut columns = BTreeMap::new();
        let mut add = |name: &str, column: ColumnData| columns.insert(format!("audio.{name}"), column);
        // Of the sound as it is: what was added in training is not to be predicted.
        if let Some(units) = &self.units {
            add("units", ColumnData::U32(units.at(&wave, middles()).into()));
        }
        if self.is_labelled() {
            let label = |clip: usize| self.labels[clip].unwrap_or_default();
            let at = |middle: usize| self.sounds[piece.sound].joint_at(piece.first + middle);
            let label_at = |middle| at(middle).map_or(NO_LABEL, |joint| i64::from(label(joint.clip)));
            let passed = |middle, joint: &Joint| (piece.first + middle - joint.first) as f32 / joint.length as f32;
            let place_at = |middle| at(middle).map_or(-1.0, |joint| passed(middle, joint));
            add("row_labels", ColumnData::I64(middles().map(label_at).collect()));
            add("row_places", ColumnData::F32(middles().map(place_at).collect()));
            let all: Vec<u32> = self.clips_in(piece).map(label).collect();
            if self.is_single() {
                add("label", ColumnData::U32(all.iter().take(1).copied().collect()));
            }
            add("labels", ColumnData::U32(all.into()));
        }
        let clip = self.sounds[piece.sound].joints.first().map(|joint| &self.clips.items()[joint.clip]);
        if let Some(text) = clip.and_then(|item| item.text.as_ref()).filter(|_| self.is_single()) {
            add("text", ColumnData::U8(text.as_bytes().into()));
        }
        let wave = match augment {
            Some(key) => self.changed(wave, key)?,
            None => wave,
        };
        let mut features = self.extractor.apply(wave).first(piece.rows * stride);
        if self.settings.normalise {
            features = features.normalised();
        }
        if let Some(key) = augment {
            mask_features(&mut features, &self.masks(), key.stream("masks"));
        }
        add("features", ColumnData::F32(features.values.into()));
        Ok(columns)
    }

    fn batch_columns(&self) -> Vec<BatchColumn> {
        let mut columns = vec![BatchColumn::Padded("audio.features", vec![self.settings.bins])];
        columns.extend(self.units.is_some().then_some(BatchColumn::Rows("audio.units")));
        if self.is_labelled() {
            columns.extend(["audio.row_labels", "audio.row_places"].map(BatchColumn::Rows));
        }
        let single = self.is_labelled() && self.is_single();
        columns.extend(single.then_some(BatchColumn::Stacked("audio.label", Vec::new())));
        columns
    }
}
