//! Sounds made of hidden units: each lasts a few frames and shows as a spectral envelope with noise over it.

use std::collections::BTreeMap;

use experiment::{DataAudio, FRAMES_PER_UNIT};
use philox::Key;

use super::noise::add_noise;
use crate::boundary::ColumnData;
use crate::data::source::{BatchColumn, Source};
use crate::error::Result;

/// Shortest and longest stay in a unit, in labels (four frames each).
const STAY: [u64; 2] = [2, 6];
/// Peaks of an envelope.
const PEAKS: u64 = 3;
/// Standard deviation of the noise on each feature.
const NOISE: f32 = 0.7;

/// Sounds by number: features f32 `[frames, bins]` around 0, and a unit below `units` for every four frames.
#[derive(Debug, Clone)]
pub struct SyntheticAudio {
    settings: DataAudio,
    first: u64,
    count: usize,
    /// `[units, bins]`.
    envelopes: Vec<f32>,
}

impl SyntheticAudio {
    /// The sounds `first..first + count`.
    #[must_use]
    pub fn new(settings: &DataAudio, first: u64, count: usize) -> Self {
        let key = Key::root(settings.seed).stream("synthetic audio envelope");
        let envelopes = (0..settings.units as u64).flat_map(|unit| envelope(key.at(unit), settings.bins)).collect();
        Self { settings: settings.clone(), first, count, envelopes }
    }

    /// Units that stay for two to six labels, `[frames / 4]`.
    #[must_use]
    pub fn units(&self, id: u64) -> Vec<u32> {
        let key = self.key(id).stream("units");
        let labels = self.settings.frames / FRAMES_PER_UNIT;
        let mut units = Vec::with_capacity(labels + STAY[1] as usize);
        for turn in 0.. {
            if units.len() >= labels {
                break;
            }
            let unit = key.below(2 * turn, self.settings.units as u64) as u32;
            let stay = STAY[0] + key.below(2 * turn + 1, STAY[1] - STAY[0] + 1);
            units.extend((0..stay).map(|_| unit));
        }
        units.truncate(labels);
        units
    }

    /// The features `[frames, bins]` of sound `id`, whose units are `units`.
    #[must_use]
    pub fn features(&self, id: u64, units: &[u32]) -> Vec<f32> {
        let bins = self.settings.bins;
        let mut features = Vec::with_capacity(self.settings.frames * bins);
        for unit in units {
            let first = *unit as usize * bins;
            for _ in 0..FRAMES_PER_UNIT {
                features.extend_from_slice(&self.envelopes[first..first + bins]);
            }
        }
        add_noise(&mut features, self.key(id).stream("noise"), NOISE);
        features
    }

    fn key(&self, id: u64) -> Key {
        Key::root(self.settings.seed).stream("synthetic audio").at(id)
    }
}

/// A few peaks along the bins, less their mean: about unit size.
fn envelope(key: Key, bins: usize) -> Vec<f32> {
    let level = |bin: usize| -> f64 {
        let place = (bin as f64 + 0.5) / bins as f64;
        (0..PEAKS)
            .map(|peak| {
                let distance = (place - key.uniform(3 * peak)) / (0.03 + 0.12 * key.uniform(3 * peak + 1));
                (1.5 + key.normal(3 * peak + 2)) * (-0.5 * distance * distance).exp()
            })
            .sum()
    };
    let levels: Vec<f64> = (0..bins).map(level).collect();
    let mean = levels.iter().sum::<f64>() / bins as f64;
    levels.iter().map(|level| (level - mean) as f32).collect()
}

impl Source for SyntheticAudio {
    fn modality(&self) -> &'static str {
        "audio"
    }

    fn len(&self) -> usize {
        self.count
    }

    /// One row for each unit.
    fn length(&self, _: usize) -> usize {
        self.settings.frames / FRAMES_PER_UNIT
    }

    fn id(&self, sample: usize) -> u64 {
        self.first + sample as u64
    }

    fn read(&self, sample: usize, _: Option<Key>) -> Result<BTreeMap<String, ColumnData>> {
        let id = self.id(sample);
        let units = self.units(id);
        let features = self.features(id, &units);
        Ok(BTreeMap::from([
            ("audio.features".to_owned(), ColumnData::F32(features.into())),
            ("audio.units".to_owned(), ColumnData::U32(units.into())),
        ]))
    }

    fn batch_columns(&self) -> Vec<BatchColumn> {
        let DataAudio { frames, bins, .. } = self.settings;
        vec![BatchColumn::Stacked("audio.features", vec![frames, bins]), BatchColumn::Rows("audio.units")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounds() -> SyntheticAudio {
        let settings = DataAudio {
            source: experiment::DataSource::Synthetic,
            frames: 80,
            bins: 40,
            units: 8,
            samples: 10,
            ..DataAudio::default()
        };
        SyntheticAudio::new(&settings, 0, 10)
    }

    #[test]
    fn a_sound_is_a_function_of_seed_and_number() {
        let sounds = sounds();
        assert_eq!((sounds.len(), sounds.length(0)), (10, 20));
        let units = sounds.units(3);
        assert_eq!(units, sounds.units(3));
        assert_ne!(units, sounds.units(4));
        assert!(units.len() == 20 && units.iter().all(|unit| *unit < 8));
        assert_eq!(sounds.features(3, &units).len(), 80 * 40);
    }

    #[test]
    fn units_can_be_told_from_the_features() {
        let sounds = sounds();
        let (mut right, mut all) = (0, 0);
        for id in 0..10 {
            let units = sounds.units(id);
            for (frame, features) in sounds.features(id, &units).chunks(40).enumerate() {
                let distance = |unit: usize| -> f32 {
                    let envelope = &sounds.envelopes[unit * 40..(unit + 1) * 40];
                    envelope.iter().zip(features).map(|(a, b)| (a - b).powi(2)).sum()
                };
                let nearest = (0..8).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
                right += usize::from(nearest == Some(units[frame / 4] as usize));
                all += 1;
            }
        }
        assert!(right * 10 > all * 9, "{right} of {all} frames are nearest to their own unit");
    }
}
