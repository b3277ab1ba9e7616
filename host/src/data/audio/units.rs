//! Units of sounds: k-means on MFCC with their slopes, found on the training sounds and kept.
//!
//! Hsu et al. 2021, arXiv:2106.07447, section IV-B: the targets of the first iteration.

use std::path::Path;

use experiment::DataAudio;
use modality_audio::{Features, KMeans, KMeansSettings, Mfcc, MfccSettings, with_deltas};
use philox::Key;
use rayon::prelude::*;

use super::samples::AudioSamples;
use crate::data::prepare::OnProgress;
use crate::error::Result;
use crate::loader::cache_folder;

/// Frames that centres are found on, at most (but for the last sound): enough for hundreds of mini-batches.
const MOST_FRAMES: usize = 1_000_000;
/// Sounds whose coefficients are made at a time.
const AT_A_TIME: usize = 256;

/// Tells the units of waves.
pub(super) struct Units {
    mfcc: Mfcc,
    centres: KMeans,
}

impl Units {
    /// Finds the units of the training sounds, or takes them from the cache, where they lie under the hash of all that they
    /// were found from.
    ///
    /// # Errors
    /// Fewer frames than units, a rate that coefficients cannot be made at, a sound that cannot be read any more.
    pub(super) fn of(train: &AudioSamples, data: &DataAudio, on_progress: OnProgress<'_>) -> Result<Self> {
        let mfcc = Mfcc::new(MfccSettings::new(data.rate))?;
        let settings = KMeansSettings {
            iterations: data.unit_iterations,
            restarts: data.unit_restarts,
            ..KMeansSettings::new(data.units)
        };
        let what = format!(
            "units 1 {} {} {settings:?} {} {:?} {:?} {}",
            train.clips().hash(),
            data.rate,
            data.seed,
            data.join,
            data.silence_milliseconds,
            train.pieces_in_words()
        );
        let name = format!("{}.json", &blake3::hash(what.as_bytes()).to_hex()[..20]);
        let file = cache_folder().join("units").join(name);
        if let Some(centres) = kept(&file, data.units) {
            return Ok(Self { mfcc, centres });
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
                some.par_iter().map(|sample| Ok(with_deltas(&mfcc.apply(&train.wave(*sample)?)))).collect();
            for features in made {
                let features = features?;
                frames += features.frames();
                parts.push(features);
            }
        }
        let centres = KMeans::fit(&Features::concatenated(parts)?, &settings, key.stream("centres"))?;
        // What is not kept is found again.
        let _ = keep(&file, &centres);
        Ok(Self { mfcc, centres })
    }

    /// The unit at each of these samples of a wave: that of the nearest frame of coefficients.
    pub(super) fn at(&self, wave: &[f32], middles: impl Iterator<Item = usize>) -> Vec<u32> {
        let (window, hop) = self.mfcc.window_and_hop();
        let coefficients = with_deltas(&self.mfcc.apply(wave));
        let last = coefficients.frames().saturating_sub(1);
        middles
            .map(|middle| {
                let frame = ((middle.saturating_sub(window / 2) + hop / 2) / hop).min(last);
                let bins = coefficients.bins();
                self.centres.nearest(&coefficients.values[frame * bins..][..bins]).0 as u32
            })
            .collect()
    }
}

/// Centres of an earlier run, where they are there and whole.
fn kept(file: &Path, units: usize) -> Option<KMeans> {
    let centres: Vec<Vec<f32>> = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let bins = centres.first()?.len();
    let whole = centres.len() == units && centres.iter().all(|centre| centre.len() == bins);
    whole.then(|| KMeans::new(centres.concat(), bins).ok()).flatten()
}

fn keep(file: &Path, centres: &KMeans) -> std::io::Result<()> {
    let rows: Vec<&[f32]> = centres.centres().chunks_exact(centres.bins()).collect();
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Written aside and put into place at once, so that no run reads half of it.
    let aside = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&aside, serde_json::to_vec(&rows)?)?;
    std::fs::rename(&aside, file)
}
