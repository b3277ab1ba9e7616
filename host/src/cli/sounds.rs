//! `lacuna data` on sounds: how many, how long, with which rates and labels, and what cannot be read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use experiment::DataAudio;
use serde_json::{Value as Json, json};

use super::data::in_words;
use super::{Common, Outcome, print_json};
use crate::data::{AudioSamples, ClipSettings, Clips, prepare_audio};
use crate::error::Result;
use crate::progress::Progress;

/// How many of those left out are named.
const NAMED: usize = 10;

/// Which sounds are looked at.
pub(super) struct Asked {
    files: Vec<PathBuf>,
    settings: ClipSettings,
}

impl Asked {
    /// The training sounds of an experiment, read as it says.
    ///
    /// # Errors
    /// A pattern that is none.
    pub(super) fn of(data: &DataAudio) -> Result<Self> {
        Ok(Self { files: data.files.clone(), settings: ClipSettings { rate: None, ..ClipSettings::of(data)? } })
    }

    /// Files as they are; what cannot be read is counted.
    ///
    /// # Errors
    /// A pattern that is none.
    pub(super) fn files(files: Vec<PathBuf>, pattern: Option<&str>) -> Result<Self> {
        let pattern = pattern.map(str::parse).transpose()?;
        Ok(Self { files, settings: ClipSettings { pattern, rate: None, least: 1, skip: true } })
    }
}

pub(super) fn inspect(common: &Common, asked: &Asked, show: usize) -> Result<Outcome> {
    let mut progress = Progress::unknown();
    let clips = Clips::read(&asked.files, &asked.settings, &mut |done| progress.say(&format!("{done} sounds")))?;
    progress.finish();
    let seconds = clips.seconds();
    let all: f64 = seconds.iter().sum();
    let shortest = seconds.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let longest = seconds.iter().copied().fold(0.0, f64::max);
    let mut rates: BTreeMap<String, u64> = BTreeMap::new();
    clips.rates().iter().for_each(|rate| *rates.entry(rate.to_string()).or_default() += 1);
    let counted = |of: fn(&modality_audio::Item) -> Option<&String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        clips.items().iter().filter_map(of).for_each(|name| *counts.entry(name.clone()).or_default() += 1);
        counts
    };
    let (labels, speakers) = (counted(|item| item.label.as_ref()), counted(|item| item.speaker.as_ref()));
    let texts = clips.items().iter().filter(|item| item.text.is_some()).count();
    let skipped: Vec<&str> = clips.skipped().iter().map(|skipped| skipped.reason.as_str()).collect();
    if common.json {
        let first: Vec<Json> = clips.items().iter().zip(seconds).take(show).map(|(item, seconds)| {
            json!({ "name": item.name(), "seconds": seconds, "label": item.label, "speaker": item.speaker, "text": item.text })
        }).collect();
        print_json(&json!({
            "sounds": clips.items().len(),
            "seconds": all,
            "shortest_seconds": shortest,
            "longest_seconds": longest,
            "rates": rates,
            "labels": labels,
            "speakers": speakers,
            "texts": texts,
            "skipped": skipped,
            "first": first,
        }));
        return Ok(Outcome::Done);
    }
    println!(
        "{} sounds, {:.1} minutes, from {shortest:.2} to {longest:.2} seconds; samples a second: {}",
        clips.items().len(),
        all / 60.0,
        in_words(&rates)
    );
    for (what, counts) in [("labels", &labels), ("speakers", &speakers)] {
        if !counts.is_empty() {
            println!("{} {what}: {}", counts.len(), in_words(counts));
        }
    }
    if texts > 0 {
        println!("{texts} with a text");
    }
    if !skipped.is_empty() {
        println!("{} cannot be used:", skipped.len());
        skipped.iter().take(NAMED).for_each(|reason| println!("  {reason}"));
        if skipped.len() > NAMED {
            println!("  and {} more", skipped.len() - NAMED);
        }
    }
    for (item, seconds) in clips.items().iter().zip(seconds).take(show) {
        let label = item.label.as_deref().map(|label| format!(": {label}")).unwrap_or_default();
        println!("\n{}{label}, {seconds:.2} seconds", item.name());
        if let Some(text) = &item.text {
            println!("  {text}");
        }
    }
    Ok(Outcome::Done)
}

/// Reads the sounds of an experiment and finds their units, as its first run would.
pub(super) fn prepare(common: &Common, data: &DataAudio) -> Result<Outcome> {
    let mut progress = Progress::unknown();
    let sounds = prepare_audio(data, &common.catalogue(), &mut |what, done, _| {
        progress.say(&format!("{what}: {done}"));
    })?;
    progress.finish();
    let parts = [("train", Some(&sounds.train)), ("valid", sounds.valid.as_ref()), ("test", sounds.test.as_ref())];
    let parts = || parts.iter().filter_map(|(name, samples)| Some((*name, samples.as_ref()?)));
    let seconds = |samples: &AudioSamples| samples.clips().seconds().iter().sum::<f64>();
    if common.json {
        let of = |samples: &AudioSamples| {
            json!({
                "sounds": samples.clips().items().len(),
                "seconds": seconds(samples),
                "samples": samples.count(),
                "rows": samples.rows(),
                "skipped": samples.clips().skipped().iter().map(|skipped| &skipped.reason).collect::<Vec<_>>(),
            })
        };
        let parts: serde_json::Map<_, _> = parts().map(|(name, samples)| (name.to_owned(), of(samples))).collect();
        print_json(&json!({ "labels": sounds.labels, "units": data.units, "parts": parts }));
        return Ok(Outcome::Done);
    }
    if !sounds.labels.is_empty() {
        println!("labels: {}", sounds.labels.join(", "));
    }
    for (name, samples) in parts() {
        println!(
            "{name}: {} sounds, {:.1} minutes, {} samples of at most {} frames, {} rows ({} sounds left out)",
            samples.clips().items().len(),
            seconds(samples) / 60.0,
            samples.count(),
            data.frames,
            samples.rows(),
            samples.clips().skipped().len()
        );
    }
    Ok(Outcome::Done)
}
