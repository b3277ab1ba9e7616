//! `[data.audio]`: which sounds.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::check::Checked;
use crate::error::Error;
use crate::paths::Places;
use crate::schema::{Field, Kind, Schema};
use crate::sections::image::Source;
use crate::sections::in_words;

pub(crate) const HEADER: &str = "[data.audio]";
pub(crate) const INTRO: &str = "Which sounds, as features frame by frame with a unit for every four frames. With `source = \"files\"` they are \
    read from `files`: WAV, FLAC, Ogg Vorbis and MP3, mixed to one channel and brought to `rate`; folders with all sounds in and below \
    them; tar archives, also gzipped (`fsdd.tar#recordings/*_[0-4].wav` chooses members); `.tsv` and `.jsonl` manifests with `path`, \
    `label`, `text`, `speaker`, `offset` and `duration`. Paths are found as those of `[data.text]`. Units are found by k-means on the \
    MFCC of the training sounds, or come from a model (`unit_model`). The synthetic ones are sequences of hidden units that last a few frames each; a unit is a spectral \
    envelope, and noise lies over it. They are a function of `seed` and the sound's number.";
/// Keys that hold paths of data.
const FILES: [&str; 3] = ["files", "valid_files", "test_files"];
/// Keys that mean nothing without files.
const OF_FILES: [&str; 31] = [
    "files",
    "valid_files",
    "test_files",
    "rate",
    "features",
    "window_milliseconds",
    "hop_milliseconds",
    "normalise",
    "pattern",
    "damaged",
    "train_share",
    "join",
    "silence_milliseconds",
    "packing",
    "by_length",
    "noise_decibels",
    "pitch_semitones",
    "time_masks",
    "time_mask_frames",
    "frequency_masks",
    "frequency_mask_bins",
    "changes",
    "tempo",
    "reverberation_seconds",
    "unit_features",
    "unit_model",
    "unit_role",
    "unit_layer",
    "unit_restarts",
    "unit_iterations",
    "frames_per_unit",
];
/// Keys that mean nothing with files.
const OF_SYNTHETIC: [&str; 2] = ["samples", "valid_samples"];

/// What a second version of a sound may be.
const CHANGES: [&str; 4] = ["stretch", "noise", "pitch", "reverberation"];

/// Frames for one unit: what two strided convolutions of a model leave.
pub const FRAMES_PER_UNIT: usize = 4;

/// The `[data.audio]` section; paths are absolute and exist.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataAudio {
    /// Where sounds come from.
    pub source: Source,
    /// Files, folders, archives or manifests to learn from.
    pub files: Vec<PathBuf>,
    /// The same to measure on.
    pub valid_files: Vec<PathBuf>,
    /// The same to measure on when the run has ended.
    pub test_files: Vec<PathBuf>,
    /// Samples a second that all sounds are brought to.
    pub rate: u32,
    /// What a frame holds.
    pub features: AudioFeatures,
    /// Length of a window.
    pub window_milliseconds: f64,
    /// From one frame to the next.
    pub hop_milliseconds: f64,
    /// Each bin with mean 0 and variance 1 over the sound.
    pub normalise: bool,
    /// Where label and speaker stand in names.
    pub pattern: Option<String>,
    /// What happens with sounds that cannot be read.
    pub damaged: Damaged,
    /// Share of the sounds that is learnt from.
    pub train_share: f64,
    /// Least and most clips of a speaker that make one sound; empty to take each by itself.
    pub join: Vec<usize>,
    /// Least and most silence between joined clips.
    pub silence_milliseconds: Vec<f64>,
    /// Put several sounds in a row.
    pub packing: bool,
    /// Sounds of about one length share a batch.
    pub by_length: bool,
    /// Least and most decibels of the sound above added noise; empty for none.
    pub noise_decibels: Vec<f64>,
    /// At most so far up or down.
    pub pitch_semitones: f64,
    /// Stripes of frames that are masked in training.
    pub time_masks: usize,
    /// Frames of a stripe, at most.
    pub time_mask_frames: usize,
    /// Stripes of bins that are masked in training.
    pub frequency_masks: usize,
    /// Bins of a stripe, at most.
    pub frequency_mask_bins: usize,
    /// What the second version of each sound may be; empty for no second version.
    pub changes: Vec<Change>,
    /// Least and most tempo of a stretched version.
    pub tempo: Vec<f64>,
    /// Least and most seconds in which the room of a version fades by 60 dB.
    pub reverberation_seconds: Vec<f64>,
    /// What units, joined clips and synthetic samples are drawn from.
    pub seed: u64,
    /// Frames of the longest sound; a multiple of `frames_per_unit`.
    pub frames: usize,
    /// Frames that share a unit, a row of the layout.
    pub frames_per_unit: usize,
    /// Features of a frame.
    pub bins: usize,
    /// Number of different units; 0 for none.
    pub units: usize,
    /// What k-means sees, where no model says it.
    pub unit_features: UnitFeatures,
    /// The run or model folder that units come from; absolute, existing.
    pub unit_model: Option<PathBuf>,
    /// The role of the model in that run.
    pub unit_role: Option<String>,
    /// The layer whose rows k-means sees; none means the model's end, or the codes that it gives.
    pub unit_layer: Option<usize>,
    /// Starts of k-means, of which the best is kept.
    pub unit_restarts: usize,
    /// Mini-batches of a start.
    pub unit_iterations: usize,
    /// Synthetic sounds to learn from.
    pub samples: usize,
    /// Further ones to measure on; 0 for none.
    pub valid_samples: usize,
    /// Shuffle the order in each epoch.
    pub shuffle: bool,
}

/// What a frame of a sound holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioFeatures {
    /// One sample of the wave.
    Waveform,
    /// Kaldi's filterbank.
    Fbank,
    /// The log-mel spectrogram.
    #[default]
    LogMel,
}

/// What k-means sees of a sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitFeatures {
    /// Cepstral coefficients with their slopes.
    #[default]
    Mfcc,
    /// The frames of a row, as a model gets them.
    Frames,
}

/// What a second version of a sound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Faster or slower at the same pitch.
    Stretch,
    /// White noise over it.
    Noise,
    /// Higher or lower at the same tempo.
    Pitch,
    /// A room around it.
    Reverberation,
}

/// What happens with sounds that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Damaged {
    /// The run does not start.
    #[default]
    Error,
    /// They are left out and counted.
    Skip,
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Float, Floats, Integer, Integers, Text, Texts};
    let none = || Json::Array(Vec::new());
    let field = Field::new;
    Schema {
        fields: vec![
            field("source", Text, "Where the sounds come from.").or("synthetic").one_of(&["synthetic", "files"]),
            field("files", Texts, "Files, folders, archives or manifests to learn from.").or(none()),
            field("valid_files", Texts, "The same to measure on.").or(none()),
            field("test_files", Texts, "The same to measure on once, when the run has ended.").or(none()),
            field("rate", Integer, "Samples a second; sounds of other rates are brought to it.").or(16_000).at_least(1000.0).at_most(384_000.0),
            field("features", Text, "What a frame holds: a sample of the `waveform` (`bins = 1`), Kaldi's log-mel `fbank`, or `log_mel`, windows centred on frames and ln(energy + 1e-6).")
                .or("log_mel")
                .one_of(&["waveform", "fbank", "log_mel"]),
            field("window_milliseconds", Float, "Length of a frame's window.").or(25.0).at_least(1.0).at_most(1000.0),
            field("hop_milliseconds", Float, "From one frame to the next.").or(10.0).at_least(1.0).at_most(1000.0),
            field("normalise", Bool, "Bring each bin to mean 0 and variance 1 over the sound.").or(true),
            field("pattern", Text, "Where label and speaker stand in file names: `{label}_{speaker}_*.wav`; manifests have columns.").optional(),
            field("damaged", Text, "What happens when a sound is damaged, empty, cut off or too short: an error with its name, or it is skipped and counted.")
                .or("error")
                .one_of(&["error", "skip"]),
            field("train_share", Float, "Share of the training sounds (where clips are joined, of the joined ones) that is learnt from, drawn by `seed`; a smaller share is part of a larger one.").or(1.0).more_than(0.0).at_most(1.0),
            field("join", Integers, "Least and most clips of one speaker that are joined to one sound, `[5, 8]`; drawn by `seed`, each clip once.").or(none()).at_least(1.0).at_most(1000.0),
            field("silence_milliseconds", Floats, "Least and most silence between joined clips.").or(serde_json::json!([50.0, 150.0])).at_least(0.0).at_most(60_000.0),
            field("packing", Bool, "Put several sounds in a row; attention never crosses from one to the next.").or(false),
            field("by_length", Bool, "Let sounds of about one length share a batch, so that convolutions run over less padding: sorted within 32 batches of the shuffled sounds, and the batches shuffled. Not with `packing`.").or(false),
            field("noise_decibels", Floats, "In training, add white noise this far below the sound, `[5, 30]`: drawn evenly between the two for each sound and epoch.").or(none()).at_least(-60.0).at_most(120.0),
            field("pitch_semitones", Float, "In training, shift the pitch by at most this much up or down.").or(0.0).at_least(0.0).at_most(24.0),
            field("time_masks", Integer, "In training, stripes of frames that are set to the mean.").or(0).at_least(0.0).at_most(1000.0),
            field("time_mask_frames", Integer, "Frames of a stripe, at most.").or(40).at_least(1.0).at_most(100_000.0),
            field("frequency_masks", Integer, "In training, stripes of bins that are set to the mean.").or(0).at_least(0.0).at_most(1000.0),
            field("frequency_mask_bins", Integer, "Bins of a stripe, at most.").or(15).at_least(1.0).at_most(1024.0),
            field("changes", Texts, "Give each sound a second version, changed by one of these, drawn anew for each sound and epoch: `stretch` (by `tempo`), `noise` (by `noise_decibels`), `pitch` (by `pitch_semitones`), `reverberation`. Its columns are `audio.changed_features`, `audio.changed_rows` and, where units can be told of it, `audio.changed_units`. The sound itself stays as it is then. Held-out sounds are changed as well, always in the same way.").or(none()),
            field("tempo", Floats, "Least and most tempo of a stretched version.").or(serde_json::json!([0.8, 1.2])).at_least(0.25).at_most(4.0),
            field("reverberation_seconds", Floats, "Least and most seconds in which the sound in a room fades by 60 dB.").or(serde_json::json!([0.2, 0.6])).at_least(0.01).at_most(10.0),
            field("seed", Integer, "What synthetic samples, joined clips and units are drawn from; apart from the run's seed, so that runs are compared on the same data.").or(0).at_least(0.0),
            field("frames", Integer, "Frames of a sound, a multiple of `frames_per_unit`; longer files are cut into pieces.")
                .or(400)
                .at_least(1.0)
                .at_most(10_000_000.0),
            field("frames_per_unit", Integer, "Frames that share a unit and a row of the layout: what a model's strides leave.").or(FRAMES_PER_UNIT).at_least(1.0).at_most(100_000.0),
            field("bins", Integer, "Features of a frame.").or(80).at_least(1.0).at_most(1024.0),
            field("units", Integer, "Number of different units; 0, with files, for none.").or(64).at_least(0.0).at_most(65536.0),
            field("unit_features", Text, "What k-means sees: `mfcc`, 39 cepstral numbers, or `frames`, the frames of a row beside each other as a model gets them.")
                .or("mfcc")
                .one_of(&["mfcc", "frames"]),
            field("unit_model", Text, "A run or model folder: units are k-means of what its model makes of the sounds (`unit_layer`), or the codes that it gives. It must hear the sounds as they are here: the same rate, features and frames of a row.").optional(),
            field("unit_role", Text, "The role of that model, where the run has several.").optional(),
            field("unit_layer", Integer, "The layer that k-means sees: 0 the embeddings, k the output of block k. Left out: the codes that the model gives, or else its end.").optional().at_least(0.0).at_most(1024.0),
            field("unit_restarts", Integer, "Starts of k-means, of which the best is kept.").or(20).at_least(1.0).at_most(1000.0),
            field("unit_iterations", Integer, "Mini-batches of 10,000 frames of a start.").or(100).at_least(1.0).at_most(100_000.0),
            field("samples", Integer, "Synthetic sounds to learn from.").or(10_000).at_least(1.0).at_most(4e9),
            field("valid_samples", Integer, "Further synthetic sounds to measure on; 0 for none.").or(128).at_least(0.0).at_most(4e9),
            field("shuffle", Bool, "Shuffle the order in each epoch, by the run's seed.").or(true),
        ],
    }
}

/// Resolves the paths and checks what one field alone cannot show.
pub(crate) fn finish(mut checked: Checked, places: &Places) -> Result<(DataAudio, Checked), Error> {
    let written = checked.values["changes"].as_array().cloned().unwrap_or_default();
    if let Some(odd) = written.iter().find(|change| !CHANGES.iter().any(|known| *change == known)) {
        return Err(Error::Range {
            what: in_words(HEADER),
            name: "changes".into(),
            value: odd.to_string(),
            allowed: format!("`{}`", CHANGES.join("`, `")),
            place: checked.source("changes").into(),
        });
    }
    let audio: DataAudio = checked.typed();
    if audio.packing && audio.by_length {
        return Err(Error::Range {
            what: in_words(HEADER),
            name: "by_length".into(),
            value: "true".into(),
            allowed: "`false` where `packing` fills rows".into(),
            place: checked.source("by_length").into(),
        });
    }
    let range = |name: &str, allowed: String| {
        let value = checked.values[name].to_string();
        Err(Error::Range {
            what: in_words(HEADER),
            name: name.into(),
            value,
            allowed,
            place: checked.source(name).into(),
        })
    };
    let files = audio.source == Source::Files;
    let foreign = if files { &OF_SYNTHETIC[..] } else { &OF_FILES[..] };
    // A resolved file holds every key, so one that says what it says anyway is no contradiction.
    let defaults = schema();
    let departs = |name: &&&str| {
        let default = defaults.field(name).and_then(|field| field.default.clone()).unwrap_or(Json::Null);
        checked.values[**name] != default
    };
    if let Some(name) = foreign.iter().find(departs) {
        let source = if files { "synthetic" } else { "files" };
        return range(name, format!("only with `source = \"{source}\"`: leave it out, or choose that source"));
    }
    if files && audio.files.is_empty() {
        let remedy = "name at least one: `files = [\"{root}/speech/train.tar\"]`".into();
        let place = checked.source("source").into();
        return Err(Error::Missing { what: in_words(HEADER), name: "files".into(), remedy, place });
    }
    if !audio.frames.is_multiple_of(audio.frames_per_unit) {
        return range("frames", format!("a multiple of {}, the frames that share a unit", audio.frames_per_unit));
    }
    if !files && audio.units < 2 {
        return range("units", "at least 2 where sounds are synthetic".into());
    }
    if audio.units == 1 {
        return range("units", "0 for none, or at least 2".into());
    }
    if audio.features == AudioFeatures::Waveform && audio.bins != 1 {
        return range("bins", "1 where `features = \"waveform\"`: a frame is one sample".into());
    }
    for (name, bounds) in [
        ("join", audio.join.iter().map(|clips| *clips as f64).collect()),
        ("silence_milliseconds", audio.silence_milliseconds.clone()),
        ("noise_decibels", audio.noise_decibels.clone()),
        ("tempo", audio.tempo.clone()),
        ("reverberation_seconds", audio.reverberation_seconds.clone()),
    ] {
        let empty = bounds.is_empty() && matches!(name, "join" | "noise_decibels");
        if !empty && (bounds.len() != 2 || bounds[1] < bounds[0]) {
            return range(name, "two numbers, the least and the most".into());
        }
    }
    let needs = |change, name: &str, missing: bool, remedy: &str| {
        if !audio.changes.contains(&change) || !missing {
            return Ok(());
        }
        let place = checked.source("changes").into();
        Err(Error::Missing { what: in_words(HEADER), name: name.into(), remedy: remedy.into(), place })
    };
    needs(Change::Noise, "noise_decibels", audio.noise_decibels.is_empty(), "say how far below the sound: `[5, 15]`")?;
    needs(Change::Pitch, "pitch_semitones", audio.pitch_semitones == 0.0, "say how far up or down: `4`")?;
    if audio.unit_model.is_none() && (audio.unit_role.is_some() || audio.unit_layer.is_some()) {
        let name = if audio.unit_role.is_some() { "unit_role" } else { "unit_layer" };
        return range(name, "only with `unit_model`: name the run that units come from, or leave it out".into());
    }
    if let Some(written) = checked.text("unit_model").map(str::to_owned) {
        let found = places.find(&written, &checked.source("unit_model"))?;
        checked.values.insert("unit_model".into(), Json::from(found.to_string_lossy()));
    }
    for key in FILES {
        let source = checked.source(key);
        for path in checked.values.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
            let found = places.find_data(path.as_str().unwrap_or_default(), &source)?;
            *path = Json::from(found.to_string_lossy().into_owned());
        }
    }
    Ok((checked.typed(), checked))
}
