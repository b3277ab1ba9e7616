//! Units of waves: k-means on MFCC with their slopes, or on frames as models get them, found on the training sounds and kept.
//!
//! Hsu et al. 2021, arXiv:2106.07447, section IV-B: the targets of the first iteration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use experiment::{DataAudio, UnitFeatures};
use modality_audio::{Features, KMeans, KMeansSettings, Mfcc, MfccSettings, with_deltas};
use philox::Key;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::extractor::Extractor;
use super::samples::AudioSamples;
use crate::data::prepare::OnProgress;
use crate::error::Result;
use crate::loader::cache_folder;

/// Frames that centres are found on, at most (but for the last sound): enough for hundreds of mini-batches.
pub(super) const MOST_FRAMES: usize = 1_000_000;
/// Sounds whose coefficients are made at a time.
const AT_A_TIME: usize = 256;

/// What k-means sees of a wave.
enum Seen {
    Mfcc(Box<Mfcc>),
    /// The frames of each row beside each other.
    Frames {
        extractor: Arc<Extractor>,
        stride: usize,
        normalise: bool,
    },
}

impl Seen {
    fn of(data: &DataAudio, extractor: &Arc<Extractor>) -> Result<Self> {
        Ok(match data.unit_features {
            UnitFeatures::Mfcc => Self::Mfcc(Box::new(Mfcc::new(MfccSettings::new(data.rate))?)),
            UnitFeatures::Frames => Self::Frames {
                extractor: Arc::clone(extractor),
                stride: data.frames_per_unit,
                normalise: data.normalise,
            },
        })
    }

    /// All that centres are found on.
    fn features(&self, wave: Vec<f32>) -> Result<Features> {
        Ok(match self {
            Self::Mfcc(mfcc) => with_deltas(&mfcc.apply(&wave)),
            Self::Frames { extractor, stride, normalise } => {
                let frames = extractor.apply(wave);
                let whole = frames.frames() / stride * stride;
                let frames = frames.first(whole);
                let frames = if *normalise { frames.normalised() } else { frames };
                let width = frames.bins() * stride;
                Features::of_rows(frames.values, width)?
            }
        })
    }
}

/// Tells the units of waves.
pub(super) struct Units {
    seen: Seen,
    centres: KMeans,
}

impl Units {
    /// Finds the units of the training sounds, or takes them from the cache, where they lie under the hash of all that they
    /// were found from.
    ///
    /// # Errors
    /// Fewer frames than units, a rate that coefficients cannot be made at, a sound that cannot be read any more.
    pub(super) fn of(
        train: &AudioSamples,
        data: &DataAudio,
        extractor: &Arc<Extractor>,
        on_progress: OnProgress<'_>,
    ) -> Result<Self> {
        let (seen, settings) = (Seen::of(data, extractor)?, settings_of(data));
        let what = format!("units 2 {:?} {settings:?} {}", data.unit_features, train.sounds_in_words());
        let file = cache_file(&what);
        if let Some(centres) = kept_centres(&file, data.units) {
            return Ok(Self { seen, centres });
        }
        on_progress("finding units", 0, 0);
        let key = Key::root(data.seed).stream("units");
        let order = key.stream("sounds").permutation(train.count());
        let (mut parts, mut frames): (Vec<Features>, usize) = (Vec::new(), 0);
        for some in order.chunks(AT_A_TIME) {
            if frames >= MOST_FRAMES {
                break;
            }
            let made: Vec<Result<Features>> =
                some.par_iter().map(|sample| seen.features(train.wave(*sample)?)).collect();
            for features in made {
                let features = features?;
                frames += features.frames();
                parts.push(features);
            }
        }
        let centres = KMeans::fit(&Features::concatenated(parts)?, &settings, key.stream("centres"))?;
        let rows: Vec<&[f32]> = centres.centres().chunks_exact(centres.bins()).collect();
        // What is not kept is found again.
        let _ = keep(&file, &rows);
        Ok(Self { seen, centres })
    }

    /// The units of the rows of a wave, whose middles are these samples: of coefficients that of the nearest frame.
    pub(super) fn at(&self, wave: &[f32], middles: impl ExactSizeIterator<Item = usize>) -> Result<Vec<u32>> {
        let features = self.seen.features(wave.to_vec())?;
        let Seen::Mfcc(mfcc) = &self.seen else {
            let mut units = self.centres.assign(&features);
            units.truncate(middles.len());
            return Ok(units);
        };
        let (window, hop) = mfcc.window_and_hop();
        let last = features.frames().saturating_sub(1);
        let at = |middle: usize| {
            let frame = ((middle.saturating_sub(window / 2) + hop / 2) / hop).min(last);
            let bins = features.bins();
            self.centres.nearest(&features.values[frame * bins..][..bins]).0 as u32
        };
        Ok(middles.map(at).collect())
    }
}

/// How centres are found.
pub(super) fn settings_of(data: &DataAudio) -> KMeansSettings {
    KMeansSettings { iterations: data.unit_iterations, restarts: data.unit_restarts, ..KMeansSettings::new(data.units) }
}

/// The file in the cache for what was made from `what`.
pub(super) fn cache_file(what: &str) -> PathBuf {
    cache_folder().join("units").join(format!("{}.json", &blake3::hash(what.as_bytes()).to_hex()[..20]))
}

/// What an earlier run kept, where it is there and whole.
pub(super) fn kept<T: DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Centres that an earlier run kept.
pub(super) fn kept_centres(file: &Path, units: usize) -> Option<KMeans> {
    let centres: Vec<Vec<f32>> = kept(file)?;
    let bins = centres.first()?.len();
    let whole = centres.len() == units && centres.iter().all(|centre| centre.len() == bins);
    whole.then(|| KMeans::new(centres.concat(), bins).ok()).flatten()
}

/// Keeps something for later runs.
pub(super) fn keep(file: &Path, what: &impl Serialize) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Written aside and put into place at once, so that no run reads half of it.
    let aside = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&aside, serde_json::to_vec(what)?)?;
    std::fs::rename(&aside, file)
}
