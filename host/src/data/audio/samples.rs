//! Samples of sound: pieces of clips or of joined clips, as features with units and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use experiment::DataAudio;
use modality_audio::augment::{MaskSettings, mask_features};
use modality_audio::{Features, Joined, Joint};
use philox::Key;

use super::clips::Clips;
use super::extractor::Extractor;
use super::told::Table;
use super::units::Units;
use super::versions::{augmented, changed};
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

/// Where units come from.
#[derive(Clone)]
pub(super) enum UnitsOf {
    /// The wave itself.
    Waves(Arc<Units>),
    /// A model that has heard every sample and, where it is always the same, its second version.
    Tables(Table, Option<Table>),
}

/// Samples by number: `audio.features` f32 `[rows · frames_per_unit, bins]` and, where there are such, `audio.units` u32 and
/// `audio.row_labels` i64 (−100 in silence) and `audio.row_places` f32 (the share of the clip that has passed, from 0 to below 1; −1
/// in silence) for each row, `audio.label` u32 of a clip, `audio.labels` u32 of all its clips in order, `audio.text` in UTF-8. With
/// `changes` a second version too: `audio.changed_features`, `audio.changed_rows` u32 and, where its units are known,
/// `audio.changed_units`.
pub struct AudioSamples {
    settings: DataAudio,
    clips: Clips,
    sounds: Vec<Joined>,
    pieces: Vec<Piece>,
    first: u64,
    extractor: Arc<Extractor>,
    units: Option<UnitsOf>,
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

    /// Keeps this share of the sounds, at least one: those that `key` puts first, so that a smaller share is part of a larger one.
    pub(super) fn keep_share(&mut self, share: f64, key: Key) {
        let kept = ((share * self.sounds.len() as f64).round() as usize).max(1);
        let mut place = vec![0; self.sounds.len()];
        key.permutation(self.sounds.len()).into_iter().enumerate().for_each(|(at, sound)| place[sound] = at);
        self.pieces.retain(|piece| place[piece.sound] < kept);
    }

    pub(super) fn set_units(&mut self, units: UnitsOf) {
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

    /// Everything that waves, features and rows depend on, in words that change when it does.
    pub(super) fn sounds_in_words(&self) -> String {
        let DataAudio { rate, features, window_milliseconds, hop_milliseconds, normalise, bins, .. } = &self.settings;
        let DataAudio { frames, frames_per_unit, join, silence_milliseconds, seed, .. } = &self.settings;
        format!(
            "{} {rate} {features:?} {window_milliseconds} {hop_milliseconds} {normalise} {bins} {frames} {frames_per_unit} {join:?} \
             {silence_milliseconds:?} {seed} {} {} {}",
            self.clips.hash(),
            self.first,
            self.count(),
            self.rows()
        )
    }

    /// Everything that second versions depend on beside.
    pub(super) fn changes_in_words(&self) -> String {
        let DataAudio { changes, tempo, noise_decibels, pitch_semitones, reverberation_seconds, .. } = &self.settings;
        format!("{changes:?} {tempo:?} {noise_decibels:?} {pitch_semitones} {reverberation_seconds:?}")
    }

    /// Numbers of a frame.
    pub(super) fn bins(&self) -> usize {
        self.settings.bins
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

    /// The second version of a wave in measuring, always the same.
    fn measured_change(&self, sample: usize) -> Key {
        Key::root(self.settings.seed).stream("changes").at(self.id(sample))
    }

    /// Features of so many whole rows.
    fn features(&self, wave: Vec<f32>, rows: usize) -> Features {
        let features = self.extractor.apply(wave).first(rows * self.settings.frames_per_unit);
        if self.settings.normalise { features.normalised() } else { features }
    }

    /// Features of a second version, which may be longer or shorter, and its rows.
    fn features_of_any(&self, mut wave: Vec<f32>) -> (Features, usize) {
        // What became shorter than a row is followed by silence.
        wave.resize(wave.len().max(self.extractor.least(&self.settings)), 0.0);
        let rows = self.extractor.frames(wave.len()) / self.settings.frames_per_unit;
        (self.features(wave, rows), rows)
    }

    /// What a model hears of a sample in measuring, `[rows · frames_per_unit, bins]`, and its rows: of itself or its second version.
    pub(super) fn heard(&self, sample: usize, second: bool) -> Result<(Vec<f32>, usize)> {
        let (wave, rows) = (self.wave(sample)?, self.pieces[sample].rows);
        let second = if second { changed(&wave, &self.settings, self.measured_change(sample))? } else { None };
        Ok(match second {
            Some(second) => {
                let (features, rows) = self.features_of_any(second);
                (features.values, rows)
            }
            None => (self.features(wave, rows).values, rows),
        })
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

    fn sound(&self, sample: usize) -> Result<Option<(u32, Vec<f32>)>> {
        Ok(Some((self.settings.rate, self.wave(sample)?)))
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
        match &self.units {
            Some(UnitsOf::Waves(units)) => _ = add("units", ColumnData::U32(units.at(&wave, middles())?.into())),
            Some(UnitsOf::Tables(units, _)) => _ = add("units", ColumnData::U32(units[sample].as_slice().into())),
            None => {}
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
        let key = augment.unwrap_or_else(|| self.measured_change(sample));
        if let Some(second) = changed(&wave, &self.settings, key)? {
            let middles = |rows: usize| (0..rows).map(|row| self.extractor.middle(row * stride));
            let whole = second.clone();
            let (features, rows) = self.features_of_any(second);
            match &self.units {
                Some(UnitsOf::Waves(units)) => {
                    add("changed_units", ColumnData::U32(units.at(&whole, middles(rows))?.into()));
                }
                Some(UnitsOf::Tables(_, Some(units))) => {
                    add("changed_units", ColumnData::U32(units[sample].as_slice().into()));
                }
                _ => {}
            }
            add("changed_features", ColumnData::F32(features.values.into()));
            add("changed_rows", ColumnData::U32(Arc::from([rows as u32])));
        }
        let augment = augment.filter(|_| self.settings.changes.is_empty());
        let wave = match augment {
            Some(key) => augmented(wave, &self.settings, key)?,
            None => wave,
        };
        let mut features = self.features(wave, piece.rows);
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
        if !self.settings.changes.is_empty() {
            columns.push(BatchColumn::Padded("audio.changed_features", vec![self.settings.bins]));
            columns.push(BatchColumn::Stacked("audio.changed_rows", Vec::new()));
            let known = !matches!(self.units, None | Some(UnitsOf::Tables(_, None)));
            columns.extend(known.then_some(BatchColumn::Listed("audio.changed_units")));
        }
        let single = self.is_labelled() && self.is_single();
        columns.extend(single.then_some(BatchColumn::Stacked("audio.label", Vec::new())));
        columns
    }
}
