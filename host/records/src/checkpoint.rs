//! Checkpoints: whole or not there, verified when opened, found again after a crash.
//!
//! A checkpoint is a folder `step-00000500` with `model.safetensors`, `optimizer.safetensors`, `buffers.safetensors` (if
//! there are buffers), `state.json` and `hashes.json` (blake3 of each). It is written under a name that begins with
//! `.tmp-`, every file and the folder synced, then renamed. `last` and `best` are names for two of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::atomic::{UNFINISHED, sync_folder, unfinished_beside, write_atomic};
use crate::error::{Error, Result};
use crate::metrics::number_to_json;
use crate::retention::{Retention, best};
use crate::tensors::{TensorBytes, TensorFile, map, write_tensors};

/// The file of the model's weights.
pub const MODEL: &str = "model.safetensors";
/// The file of the optimizer's moments and masters.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// The file of buffers: running statistics, queues, saved bytes of plugins.
pub const BUFFERS: &str = "buffers.safetensors";
/// The file of everything that is no tensor.
pub const STATE: &str = "state.json";
const HASHES: &str = "hashes.json";
const SET_ASIDE: &str = ".old-";

/// What a checkpoint is made of.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointContent<'a> {
    /// Optimizer steps done.
    pub step: u64,
    /// What `best` goes by: the lowest wins. Usually the held-out loss at this step.
    pub loss: Option<f64>,
    /// Weights under their public names.
    pub model: &'a [TensorBytes],
    /// Free texts in the header of `model.safetensors`.
    pub metadata: &'a BTreeMap<String, String>,
    /// Optimizer state.
    pub optimizer: &'a [TensorBytes],
    /// Buffers; bytes of a plugin go in as a tensor of `u8`.
    pub buffers: &'a [TensorBytes],
    /// Whatever the host needs to go on: epoch, position in the data, scaler, averages.
    pub state: &'a Value,
}

/// What writing a checkpoint did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Whether it is the best so far.
    pub is_best: bool,
    /// Older ones that retention removed.
    pub removed: Vec<PathBuf>,
}

/// A checkpoint seen from outside.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) step: u64,
    pub(crate) path: PathBuf,
    pub(crate) loss: Option<f64>,
}

/// Writes checkpoints into a folder and keeps order there. At most one may exist for a folder: hold the run's lock.
#[derive(Debug)]
pub struct CheckpointWriter {
    folder: PathBuf,
    retention: Retention,
}

impl CheckpointWriter {
    /// Prepares `folder` (`RUN/checkpoints`): sweeps away what a crash left unfinished, and points `last` and `best` where
    /// they should lead.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(folder: &Path, retention: Retention) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        for name in names(folder)? {
            let path = folder.join(&name);
            if let Some(original) = name.strip_prefix(SET_ASIDE) {
                let original = folder.join(original);
                // Stopped between setting the old one aside and putting the new one in its place.
                if !original.exists() {
                    fs::rename(&path, &original).map_err(Error::io("restore", &original))?;
                    continue;
                }
                remove(&path)?;
            } else if name.starts_with(UNFINISHED) {
                remove(&path)?;
            }
        }
        let writer = Self { folder: folder.into(), retention };
        match newest_good(folder) {
            Ok(found) => writer.point("last", &step_name(found.checkpoint.step))?,
            Err(Error::NoCheckpoint { .. }) => {}
            Err(error) => return Err(error),
        }
        if let Some(best) = best(&entries(folder)?) {
            writer.point("best", &step_name(best.step))?;
        }
        Ok(writer)
    }

    /// Writes a checkpoint, points `last` (and `best`) at it, then removes what retention no longer wants.
    ///
    /// A checkpoint of the same step is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Tensor`]; all earlier checkpoints are then as they were.
    pub fn write(&self, content: &CheckpointContent<'_>) -> Result<Written> {
        let name = step_name(content.step);
        let path = self.folder.join(&name);
        let unfinished = unfinished_beside(&path);
        if let Err(error) = fill(&unfinished, content).and_then(|()| self.put(&unfinished, &name)) {
            // The error at hand matters more than one of tidying up.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }

        let entries = entries(&self.folder)?;
        let best = best(&entries);
        if let Some(best) = best {
            self.point("best", &step_name(best.step))?;
        }
        self.point("last", &name)?;
        sync_folder(&self.folder)?;
        let is_best = best.is_some_and(|best| best.step == content.step);

        let mut removed = Vec::new();
        for entry in self.retention.superfluous(&entries, content.step) {
            // Renamed first, so that a crash leaves nothing that looks like a damaged checkpoint.
            let going = unfinished_beside(&entry.path);
            fs::rename(&entry.path, &going).map_err(Error::io("remove", &entry.path))?;
            remove(&going)?;
            removed.push(entry.path.clone());
        }
        Ok(Written { path, is_best, removed })
    }

    fn put(&self, unfinished: &Path, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        let aside = self.folder.join(format!("{SET_ASIDE}{name}"));
        let replaces = path.exists();
        if replaces {
            fs::rename(&path, &aside).map_err(Error::io("replace", &path))?;
        }
        if let Err(error) = fs::rename(unfinished, &path) {
            if replaces {
                let _ = fs::rename(&aside, &path);
            }
            return Err(Error::io("create", &path)(error));
        }
        sync_folder(&self.folder)?;
        if replaces { remove(&aside) } else { Ok(()) }
    }

    /// Makes `name` lead to the folder `target` beside it, at one stroke where the file system has links.
    fn point(&self, name: &str, target: &str) -> Result<()> {
        let path = self.folder.join(name);
        if fs::read_link(&path).is_ok_and(|link| link == Path::new(target)) {
            return Ok(());
        }
        let beside = unfinished_beside(&path);
        if !link(target, &beside) {
            copy_folder(&self.folder.join(target), &beside)?;
        }
        // A link is replaced by the rename; a copied folder has to go first.
        if path.is_dir() && !path.is_symlink() {
            remove(&path)?;
        }
        fs::rename(&beside, &path).map_err(Error::io("replace", &path))
    }
}

#[cfg(unix)]
fn link(target: &str, path: &Path) -> bool {
    std::os::unix::fs::symlink(target, path).is_ok()
}

#[cfg(not(unix))]
fn link(_target: &str, _path: &Path) -> bool {
    false
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(Error::io("create", to))?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        fs::copy(&from, &to).map_err(Error::io("copy", &from))?;
    }
    Ok(())
}

fn fill(folder: &Path, content: &CheckpointContent<'_>) -> Result<()> {
    fs::create_dir(folder).map_err(Error::io("create", folder))?;
    let none = BTreeMap::new();
    let mut hashes = Map::new();
    let mut files = vec![(MODEL, content.model, content.metadata), (OPTIMIZER, content.optimizer, &none)];
    if !content.buffers.is_empty() {
        files.push((BUFFERS, content.buffers, &none));
    }
    for (name, tensors, metadata) in files {
        hashes.insert(name.into(), write_tensors(&folder.join(name), tensors, metadata)?.into());
    }
    let loss = content.loss.map(number_to_json);
    let state = json_text(&json!({ "step": content.step, "loss": loss, "state": content.state }));
    write_atomic(&folder.join(STATE), state.as_bytes())?;
    hashes.insert(STATE.into(), blake3::hash(state.as_bytes()).to_string().into());
    write_atomic(&folder.join(HASHES), json_text(&Value::Object(hashes)).as_bytes())?;
    sync_folder(folder)
}

fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

fn step_name(step: u64) -> String {
    format!("step-{step:08}")
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("remove", path)),
    }
}

/// All checkpoints of a folder in order of steps, unverified; the loss is missing where it cannot be read.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = names(folder)?
        .into_iter()
        .filter_map(|name| {
            let step: u64 = name.strip_prefix("step-")?.parse().ok()?;
            let path = folder.join(&name);
            let loss = State::read(&path).ok().and_then(|state| state.loss);
            (name == step_name(step) && path.is_dir()).then_some(Entry { step, path, loss })
        })
        .collect();
    entries.sort_by_key(|entry| entry.step);
    Ok(entries)
}

struct State {
    step: u64,
    loss: Option<f64>,
    state: Value,
}

impl State {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let damaged = |reason: &str| Error::Damaged { path: path.clone(), reason: reason.into() };
        let mut object: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))?;
        let loss = match object.get("loss") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_f64(),
            None => None,
        };
        let step = object.get("step").and_then(Value::as_u64).ok_or_else(|| damaged("it has no `step`"))?;
        Ok(Self { step, loss, state: object.remove("state").unwrap_or(Value::Null) })
    }
}

/// A checkpoint whose every file has been verified.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its folder.
    pub path: PathBuf,
    /// Optimizer steps done.
    pub step: u64,
    /// What `best` goes by.
    pub loss: Option<f64>,
    /// What the host gave.
    pub state: Value,
}

impl Checkpoint {
    /// Opens a checkpoint folder and compares every file with its hash.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming the file that is missing or changed; [`Error::Io`].
    pub fn open(folder: &Path) -> Result<Self> {
        let list = folder.join(HASHES);
        let damaged = |path: &Path, reason: &str| Error::Damaged { path: path.into(), reason: reason.into() };
        let bytes = match fs::read(&list) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(folder, "it has no `hashes.json`, so it is no whole checkpoint"));
            }
            other => other.map_err(Error::io("read", &list))?,
        };
        let hashes: BTreeMap<String, String> =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&list, &error.to_string()))?;
        for name in [MODEL, OPTIMIZER, STATE] {
            if !hashes.contains_key(name) {
                return Err(damaged(&list, &format!("it lists no `{name}`")));
            }
        }
        for (name, expected) in &hashes {
            let path = folder.join(name);
            if ![MODEL, OPTIMIZER, BUFFERS, STATE].contains(&name.as_str()) {
                return Err(damaged(&list, &format!("it lists `{name}`, which is no part of a checkpoint")));
            }
            if !path.is_file() {
                return Err(damaged(&path, "it is missing"));
            }
            let length = fs::metadata(&path).map_err(Error::io("read", &path))?.len();
            let found = if length == 0 { blake3::hash(b"") } else { blake3::hash(&map(&path)?) };
            if found.to_string() != *expected {
                return Err(damaged(&path, "its content is not what was written (blake3 differs)"));
            }
        }
        let State { step, loss, state } = State::read(folder)?;
        Ok(Self { path: folder.into(), step, loss, state })
    }

    /// The weights.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Damaged`] when the file changed since it was opened.
    pub fn model(&self) -> Result<TensorFile> {
        TensorFile::open(&self.path.join(MODEL))
    }

    /// The optimizer's state.
    ///
    /// # Errors
    /// As [`Checkpoint::model`].
    pub fn optimizer(&self) -> Result<TensorFile> {
        TensorFile::open(&self.path.join(OPTIMIZER))
    }

    /// The buffers, in order of names; none if there is no file of them.
    ///
    /// # Errors
    /// As [`Checkpoint::model`].
    pub fn buffers(&self) -> Result<Vec<TensorBytes>> {
        let path = self.path.join(BUFFERS);
        if path.exists() { TensorFile::open(&path)?.tensors() } else { Ok(Vec::new()) }
    }
}

/// A checkpoint that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its folder.
    pub path: PathBuf,
    /// Why, as a sentence that names the damaged file.
    pub reason: String,
}

/// The newest good checkpoint, and newer ones that were damaged.
#[derive(Debug)]
pub struct Found {
    /// The one to go on from.
    pub checkpoint: Checkpoint,
    /// What was passed over on the way, newest first: tell the user.
    pub skipped: Vec<Skipped>,
}

/// Finds the newest checkpoint of `folder` (`RUN/checkpoints`) that is whole, reading only.
///
/// # Errors
/// [`Error::NoCheckpoint`] with the reason for each that was passed over; [`Error::Io`].
pub fn newest_good(folder: &Path) -> Result<Found> {
    let mut skipped: Vec<Skipped> = Vec::new();
    let all = if folder.is_dir() { entries(folder)? } else { Vec::new() };
    for entry in all.into_iter().rev() {
        match Checkpoint::open(&entry.path) {
            Ok(checkpoint) => return Ok(Found { checkpoint, skipped }),
            Err(error) => skipped.push(Skipped { path: entry.path, reason: error.to_string() }),
        }
    }
    let skipped = skipped.into_iter().map(|skipped| skipped.reason).collect();
    Err(Error::NoCheckpoint { path: folder.into(), skipped })
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
