//! `lacuna data inspect` on pictures: how many, how large, which labels, what cannot be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use experiment::{Data, DataImage, DataSource, Experiment};
use modality_image::Index;
use serde_json::{Value as Json, json};

use super::{Common, Outcome, print_json};
use crate::data::index_of;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Endings of files that hold pictures and nothing else.
const ENDINGS: [&str; 6] = [".png", ".jpg", ".jpeg", ".webp", "idx3-ubyte", "idx3-ubyte.gz"];
/// Pictures whose levels are averaged, spread evenly over all.
const AVERAGED: usize = 1000;

/// The settings of the pictures that are looked at, where it is pictures: an experiment's, or files that are told to be some by
/// their names or by `told`.
pub(super) fn asked(files: &[PathBuf], told: bool) -> Result<Option<Box<DataImage>>> {
    let Some(first) = files.first() else { return Ok(None) };
    if first.extension().is_some_and(|ending| ending == "toml") {
        let overrides: Vec<String> = files[1..].iter().map(|text| text.to_string_lossy().into_owned()).collect();
        return Ok(match Experiment::load(first, &overrides)?.data {
            Data::Image(data) if data.source == DataSource::Files => Some(data),
            _ => None,
        });
    }
    let name = first.to_string_lossy().to_lowercase();
    if !told && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Ok(None);
    }
    let files: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    // What cannot be read is what one wants to hear of.
    let text = format!(
        "[run]\nsteps = 0\n[data.image]\nsource = \"files\"\ndamaged = \"skip\"\nfiles = {}\n[objective]\nuse = \"none\"\n",
        json!(files)
    );
    match Experiment::from_text(&text, Path::new("inspect.toml"), &[])?.data {
        Data::Image(data) => Ok(Some(data)),
        other => Err(Error::not_yet(other.header())),
    }
}

pub(super) fn inspect(common: &Common, data: &DataImage, show: usize) -> Result<Outcome> {
    let mut progress = Progress::unknown();
    progress.say("looking at the pictures");
    let index = index_of(&data.files, data)?;
    let levels = levels(&index, data.channels)?;
    progress.finish();
    let (mut sizes, mut labels) = (BTreeMap::<[u32; 2], u64>::new(), BTreeMap::<String, u64>::new());
    for picture in 0..index.len() {
        *sizes.entry(index.size(picture)).or_default() += 1;
        if let Some(label) = index.label(picture) {
            *labels.entry(label.to_owned()).or_default() += 1;
        }
    }
    let named: u64 = labels.values().sum();
    let labels: Vec<(String, u64)> =
        index.labels().into_iter().map(|name| (name.clone(), labels.get(&name).copied().unwrap_or(0))).collect();
    let first = |picture: usize| {
        let [height, width] = index.size(picture);
        let (name, label, caption) = (index.name(picture), index.label(picture), index.caption(picture));
        json!({ "name": name, "height": height, "width": width, "label": label, "caption": caption })
    };
    let shown: Vec<Json> = (0..index.len().min(show)).map(first).collect();
    if common.json {
        let sizes: Vec<Json> = sizes.iter().map(|([height, width], count)| json!([height, width, count])).collect();
        let skipped: Vec<Json> =
            index.skipped().iter().map(|one| json!({ "name": one.name, "reason": one.reason })).collect();
        print_json(&json!({
            "files": data.files,
            "pictures": index.len(),
            "skipped": skipped,
            "sizes": sizes,
            "labels": labels.iter().map(|(name, count)| (name.clone(), json!(count))).collect::<serde_json::Map<_, _>>(),
            "without_label": index.len() as u64 - named,
            "mean": levels.iter().map(|[mean, _]| *mean).collect::<Vec<_>>(),
            "std": levels.iter().map(|[_, std]| *std).collect::<Vec<_>>(),
            "first": shown,
        }));
        return Ok(Outcome::Done);
    }
    println!("{} pictures, {} left out", index.len(), index.skipped().len());
    for one in index.skipped().iter().take(10) {
        println!("  {}: {}", one.name, one.reason);
    }
    let mut by_count: Vec<_> = sizes.iter().collect();
    by_count.sort_by_key(|(size, count)| (std::cmp::Reverse(**count), **size));
    let words = by_count.iter().take(6).map(|([height, width], count)| format!("{height} × {width} {count}"));
    let more = if sizes.len() > 6 { format!(" and {} more", sizes.len() - 6) } else { String::new() };
    println!("{} sizes (height × width): {}{more}", sizes.len(), words.collect::<Vec<_>>().join(", "));
    if labels.is_empty() {
        println!("no labels");
    } else {
        let words: Vec<String> = labels.iter().take(40).map(|(name, count)| format!("{name} {count}")).collect();
        let more = if labels.len() > 40 { format!(" and {} more", labels.len() - 40) } else { String::new() };
        println!(
            "{} labels: {}{more}; {} pictures without one",
            labels.len(),
            words.join(", "),
            index.len() as u64 - named
        );
    }
    let numbers = |at: usize| levels.iter().map(|of| format!("{:.4}", of[at])).collect::<Vec<_>>().join(", ");
    println!("levels from 0 to 1: mean = [{}], std = [{}]", numbers(0), numbers(1));
    for picture in 0..index.len().min(show) {
        let [height, width] = index.size(picture);
        let label = index.label(picture).map(|label| format!(": {label}")).unwrap_or_default();
        println!("\n{}{label}\n  {height} × {width}", index.name(picture));
        if let Some(caption) = index.caption(picture) {
            println!("  {}", caption.chars().take(200).collect::<String>());
        }
    }
    Ok(Outcome::Done)
}

/// Mean and standard deviation of each channel, levels from 0 to 1.
fn levels(index: &Index, channels: usize) -> Result<Vec<[f64; 2]>> {
    let (mut sums, mut count) = (vec![[0.0; 2]; channels], 0_u64);
    for picture in (0..index.len()).step_by(index.len().div_ceil(AVERAGED).max(1)) {
        let picture = index.picture(picture)?;
        count += (picture.height * picture.width) as u64;
        for pixel in picture.pixels.chunks_exact(channels) {
            for (sum, level) in sums.iter_mut().zip(pixel) {
                let level = f64::from(*level) / 255.0;
                *sum = [sum[0] + level, sum[1] + level * level];
            }
        }
    }
    let count = count.max(1) as f64;
    Ok(sums
        .iter()
        .map(|[sum, squares]| [sum / count, (squares / count - (sum / count).powi(2)).max(0.0).sqrt()])
        .collect())
}
