//! Files to numbers: pictures decoded, cut, mirrored and stacked, filterbanks of sounds, beside torchvision and torchaudio.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use modality_audio::{Fbank, FbankSettings, Item, ListSettings, items};
use modality_image::{Corrupt, Crop, DecodeSettings, Filter, Index, Jitter, SourceSettings, Transform};
use philox::Key;
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::measure::median;
use crate::program::{Work, number};
use crate::python::{Python, Script};
use crate::report::Line;
use crate::training::Effort;

/// Threads of our side, worker processes of the other.
const THREADS: usize = 2;
const BATCH: usize = 64;
const BINS: usize = 80;

/// Pictures a second: 32 × 32 as they are, and 640 × 480 cut to 224 × 224; no line without `LACUNA_DATA`.
///
/// # Errors
/// When a file is missing or a side fails.
pub fn pictures(python: &Python, effort: Effort) -> Result<Vec<Line>> {
    let Some(root) = data("pictures") else { return Ok(Vec::new()) };
    let small = ("pictures-32", root.join("images/cifar10-jpg.tar"), 32, 8192);
    let large = ("pictures-224", root.join("captions/cc12m-train-0000.tar"), 224, 1024);
    [small, large].into_iter().map(|case| pictures_of(case, python, effort)).collect()
}

/// Seconds of sound for one second of work: Kaldi filterbanks from WAV files; no line without `LACUNA_DATA`.
///
/// # Errors
/// When a file is missing or a side fails.
pub fn sounds(python: &Python, effort: Effort) -> Result<Vec<Line>> {
    let Some(root) = data("sounds") else { return Ok(Vec::new()) };
    let work = Work::new("sounds")?;
    // Both sides read plain files, warm in the cache of the system.
    let folder = work.path("files");
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let archive = checked("sounds", root.join("speech/ljspeech-sample.tar"))?;
    for (place, item) in listed(&archive)?.iter().enumerate() {
        let path = folder.join(format!("{place:05}.wav"));
        std::fs::write(&path, item.bytes().map_err(in_sounds)?).map_err(Error::io("write", &path))?;
    }
    let files = listed(&folder)?;
    let mut command = python.script("sounds.py");
    command.arg(&folder).arg(THREADS.to_string()).arg(BINS.to_string());
    let (mut script, ready) = Script::start(&mut command, "benches/python/sounds.py", &work.path("torch.log"))?;
    let seconds = number(&ready, "seconds");
    let rate = files.first().map_or(Ok(0), |file| file.read().map(|sound| sound.rate)).map_err(in_sounds)?;
    let fbank = Fbank::new(FbankSettings { bins: BINS, ..FbankSettings::new(rate) }).map_err(in_sounds)?;
    let (ours, theirs) = turns(effort, &mut script, &json!({}), || {
        let frames = Mutex::new(0);
        let begun = Instant::now();
        shared(files.len(), |place| {
            let sound = files[place].read().map_err(in_sounds)?;
            if sound.rate != rate {
                return Err(in_sounds(format!("{} samples a second in file {place}, {rate} in the first", sound.rate)));
            }
            let made = fbank.apply(&sound.samples).frames();
            *frames.lock().map_err(in_sounds)? += made;
            Ok(())
        })?;
        let spent = begun.elapsed().as_secs_f64();
        Ok((spent, json!({ "frames": *frames.lock().map_err(in_sounds)? })))
    })?;
    let line = line("fbank", "times_real_time", seconds / ours, seconds / theirs);
    Ok(vec![line.with("sounds", files.len()).with("seconds", format!("{seconds:.1}"))])
}

/// The folder of the data, without which there is nothing to measure.
fn data(case: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LACUNA_DATA").map(PathBuf::from);
    if root.is_none() {
        eprintln!("{case}: not measured; LACUNA_DATA names the folder of the data");
    }
    root
}

fn checked(case: &str, path: PathBuf) -> Result<PathBuf> {
    let missing = || Error::Case { case: case.to_owned(), reason: format!("{} is not there", path.display()) };
    if path.exists() { Ok(path.clone()) } else { Err(missing()) }
}

fn pictures_of(case: (&str, PathBuf, usize, usize), python: &Python, effort: Effort) -> Result<Line> {
    let (name, archive, size, pictures) = case;
    let work = Work::new(name)?;
    let folder = work.path("files");
    let mut command = python.script("pictures.py");
    command.arg(checked(name, archive)?).arg(&folder).arg(size.to_string()).arg(THREADS.to_string());
    // It unpacks the files that both sides read.
    let (mut script, _) = Script::start(&mut command, "benches/python/pictures.py", &work.path("torch.log"))?;

    let failed = |error: &dyn std::fmt::Display| Error::Case { case: name.to_owned(), reason: error.to_string() };
    let source = SourceSettings { field: "image".into(), label_field: "label".into(), unpacked: work.path("unpacked") };
    let decoding = DecodeSettings { channels: 3, background: [255; 3], most_pixels: 100_000_000 };
    let index = Index::build(&[folder], &source, decoding, Corrupt::Refuse).map_err(|error| failed(&error))?;
    let transform = Transform {
        size: [size; 2],
        filter: Filter::Bilinear,
        crop: Crop::Resized { scale: [0.2, 1.0], ratio: [0.75, 4.0 / 3.0] },
        flip: 0.5,
        jitter: Jitter::default(),
        mean: vec![0.5; 3],
        std: vec![0.5; 3],
    };
    let pictures = (pictures / effort.thinned).next_multiple_of(BATCH);
    let (ours, theirs) = turns(effort, &mut script, &json!({ "pictures": pictures }), || {
        let begun = Instant::now();
        shared(pictures / BATCH, |batch| {
            let mut pixels = Vec::with_capacity(BATCH * 3 * size * size);
            for place in batch * BATCH..(batch + 1) * BATCH {
                let picture = index.picture(place % index.len()).map_err(|error| failed(&error))?;
                let key = Key::root(0).at(place as u64);
                pixels.extend_from_slice(&transform.apply(&picture, key).map_err(|error| failed(&error))?);
            }
            std::hint::black_box(&pixels);
            Ok(())
        })?;
        Ok((begun.elapsed().as_secs_f64(), json!({ "pictures": pictures })))
    })?;
    let a_second = |seconds: f64| pictures as f64 / seconds;
    Ok(line(name, "a_second", a_second(ours), a_second(theirs)).with("files", index.len()))
}

/// Calls `work(0..count)`, each once, on [`THREADS`] threads that take what is next.
fn shared(count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let turn = || {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                place if place < count => work(place)?,
                _ => return Ok(()),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(turn)).collect();
        let died = || Error::Case { case: "a thread".into(), reason: "it panicked".into() };
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| died())?)
    })
}

/// The medians of both sides' seconds for a round, turn by turn; the first round warms up and is not counted. Both must say
/// that they did the same.
fn turns(
    effort: Effort,
    script: &mut Script,
    question: &Json,
    mut ours: impl FnMut() -> Result<(f64, Json)>,
) -> Result<(f64, f64)> {
    let mut seconds = (Vec::new(), Vec::new());
    for round in 0..=effort.pairs {
        let (own, done) = ours()?;
        let answer = script.ask("round", question.clone())?;
        if let Some((key, value)) = done.as_object().and_then(|done| done.iter().find(|(key, at)| answer[*key] != **at))
        {
            let reason = format!("{key}: {value} in Lacuna, {} in Python", answer[key]);
            return Err(Error::Case { case: "files".into(), reason });
        }
        if round > 0 {
            seconds.0.push(own);
            seconds.1.push(number(&answer, "seconds"));
        }
    }
    Ok((median(seconds.0), median(seconds.1)))
}

fn line(name: &str, what: &str, ours: f64, theirs: f64) -> Line {
    Line::new(name)
        .with(&format!("lacuna_{what}"), format!("{ours:.0}"))
        .with(&format!("torch_{what}"), format!("{theirs:.0}"))
        .with("ratio", format!("{:.3}", ours / theirs))
        .with("threads", THREADS)
}

fn in_sounds(error: impl std::fmt::Display) -> Error {
    Error::Case { case: "sounds".into(), reason: error.to_string() }
}

fn listed(path: &Path) -> Result<Vec<Item>> {
    items(&[path.to_path_buf()], &ListSettings::default()).map_err(in_sounds)
}
