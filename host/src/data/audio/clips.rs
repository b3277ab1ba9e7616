//! The sounds of one part of the data: each decoded once to check it, and kept where there is room.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use experiment::{Damaged, DataAudio};
use modality_audio::{Item, ListSettings, Pattern, Resampler, Sound, items};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Waves are kept up to so many bytes; past that each is decoded whenever it is asked for.
const KEPT_BYTES: usize = 1 << 30;
/// Sounds that are decoded at a time.
const AT_A_TIME: usize = 256;

/// How sounds are read.
#[derive(Clone, Debug)]
pub struct ClipSettings {
    /// Where label and speaker stand in names.
    pub pattern: Option<Pattern>,
    /// Samples a second; `None` leaves each its own.
    pub rate: Option<u32>,
    /// Samples of the shortest sound that can be used.
    pub least: usize,
    /// Whether sounds that cannot be read are left out.
    pub skip: bool,
}

impl ClipSettings {
    /// Those of `[data.audio]`.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn of(data: &DataAudio) -> Result<Self> {
        let pattern = data.pattern.as_deref().map(str::parse).transpose()?;
        Ok(Self { pattern, rate: Some(data.rate), least: 1, skip: data.damaged == Damaged::Skip })
    }
}

/// A sound that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its file, and what is wrong.
    pub reason: String,
}

/// Sounds by number.
pub struct Clips {
    items: Vec<Item>,
    /// Samples of each, at the rate asked for.
    lengths: Vec<usize>,
    /// Samples a second of each file.
    rates: Vec<u32>,
    seconds: Vec<f64>,
    waves: Option<Vec<Arc<[f32]>>>,
    skipped: Vec<Skipped>,
    hash: String,
    converter: Converter,
}

impl Clips {
    /// Reads all sounds of `files`; `on_progress` hears how many are done.
    ///
    /// # Errors
    /// As [`items`], and the first sound that cannot be read, unless those are skipped.
    pub fn read(files: &[PathBuf], settings: &ClipSettings, on_progress: &mut dyn FnMut(u64)) -> Result<Self> {
        let listed = items(files, &ListSettings { pattern: settings.pattern.clone() })?;
        let converter = Converter { rate: settings.rate, made: Mutex::default() };
        let mut clips = Self {
            items: Vec::with_capacity(listed.len()),
            lengths: Vec::new(),
            rates: Vec::new(),
            seconds: Vec::new(),
            waves: Some(Vec::new()),
            skipped: Vec::new(),
            hash: String::new(),
            converter,
        };
        let (mut hasher, mut kept, mut done) = (blake3::Hasher::new(), 0, 0);
        for some in listed.chunks(AT_A_TIME) {
            let read: Vec<_> = some.par_iter().map(|item| clips.decoded(item, settings.least)).collect();
            for (item, read) in some.iter().zip(read) {
                let (hash, sound, wave) = match read {
                    Ok(read) => read,
                    Err(error) if settings.skip && error.is_of_one_sound() => {
                        clips.skipped.push(Skipped { reason: error.to_string() });
                        continue;
                    }
                    Err(error) => {
                        let help = if error.is_of_one_sound() {
                            "replace it, or leave such sounds out: `damaged = \"skip\"`"
                        } else {
                            ""
                        };
                        return Err(Error::from(error).with_help(help));
                    }
                };
                hasher.update(hash.as_bytes()).update(item.facts().as_bytes());
                clips.items.push(item.clone());
                clips.lengths.push(wave.len());
                clips.rates.push(sound.0);
                clips.seconds.push(sound.1);
                kept += wave.len() * size_of::<f32>();
                clips.waves = clips.waves.filter(|_| kept <= KEPT_BYTES);
                if let Some(waves) = &mut clips.waves {
                    waves.push(wave.into());
                }
            }
            done += some.len() as u64;
            on_progress(done);
        }
        clips.hash = hasher.finalize().to_hex().to_string();
        Ok(clips)
    }

    /// The hash of a sound's file, its rate and seconds, and the wave as it is used.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    fn decoded(&self, item: &Item, least: usize) -> modality_audio::Result<(blake3::Hash, (u32, f64), Vec<f32>)> {
        let bytes = item.bytes()?;
        let hash = blake3::hash(&bytes);
        let sound = item.decoded(bytes)?;
        let facts = (sound.rate, sound.seconds());
        let wave = self.converter.apply(sound)?;
        if wave.len() < least {
            let reason = format!("its {:.3} seconds are too short: {least} samples make one row", facts.1);
            return Err(modality_audio::Error::Damaged { place: item.name().to_owned(), reason });
        }
        Ok((hash, facts, wave))
    }

    /// Refuses a part of the data without any sound.
    pub(super) fn require_some(&self, files: &[PathBuf]) -> Result<()> {
        if !self.items.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
        let first = self.skipped.first().map_or("", |skipped| skipped.reason.as_str());
        Err(Error::new("data/audio", format!("no sound of {} can be used", names.join(", ")))
            .with_help(format!("the first of {} was left out because: {first}", self.skipped.len())))
    }

    /// What is known of each sound.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The samples of each, at the rate asked for.
    #[must_use]
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The samples a second of each file.
    #[must_use]
    pub fn rates(&self) -> &[u32] {
        &self.rates
    }

    /// The length of each.
    #[must_use]
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// Those that were left out.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// A hash of all files, in order.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The wave of a sound.
    ///
    /// # Errors
    /// When it is not kept and its file has changed or is gone.
    pub fn wave(&self, number: usize) -> Result<Arc<[f32]>> {
        if let Some(waves) = &self.waves {
            return Ok(Arc::clone(&waves[number]));
        }
        let item = &self.items[number];
        let wave = self.converter.apply(item.read()?)?;
        if wave.len() != self.lengths[number] {
            let text = format!("{}: it had {} samples and has {} now", item.name(), self.lengths[number], wave.len());
            return Err(Error::new("data/audio", text).with_help("start again: the file was changed during the run"));
        }
        Ok(wave.into())
    }
}

/// Brings sounds of any rate to one.
struct Converter {
    rate: Option<u32>,
    made: Mutex<BTreeMap<u32, Arc<Resampler>>>,
}

impl Converter {
    fn apply(&self, sound: Sound) -> modality_audio::Result<Vec<f32>> {
        let Some(rate) = self.rate.filter(|rate| *rate != sound.rate) else { return Ok(sound.samples) };
        let known = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&sound.rate).cloned();
        let resampler = match known {
            Some(resampler) => resampler,
            None => {
                let made = Arc::new(Resampler::new(sound.rate, rate)?);
                self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(sound.rate, Arc::clone(&made));
                made
            }
        };
        Ok(resampler.apply(&sound.samples))
    }
}
