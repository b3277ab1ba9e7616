//! The folder of a study: its record, its lock, and its runs below `runs`.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use experiment::Study;
use records::{RunFolder, write_atomic};
use serde_json::{Value as Json, json};

use super::plan::{Plan, PlannedRun};
use crate::error::{Error, Result};

const RECORD: &str = "study.json";
const LOCK: &str = ".lock";
const RUNS: &str = "runs";
/// What marks a run of a study as done; it holds what the run said of itself.
const STAGE: &str = "stage.json";

/// A study's folder, locked against other processes until it is dropped.
pub(super) struct StudyFolder {
    path: PathBuf,
    _lock: File,
}

impl StudyFolder {
    /// Makes the folder, or opens it to go on; with it the files that changed since the last time.
    pub(super) fn open(path: &Path, study: &Study, plan: &Plan) -> Result<(Self, Vec<String>)> {
        let record = path.join(RECORD);
        let before = if record.is_file() { Some(read_json(&record)?) } else { None };
        if before.is_none() {
            refuse_content(path)?;
        }
        if let Some(other) =
            before.as_ref().and_then(|before| before["name"].as_str()).filter(|name| *name != study.name)
        {
            let text = format!("`{}` holds the study `{other}`, not `{}`", path.display(), study.name);
            return Err(Error::new("run/exists", text).with_help("choose another folder with --out"));
        }
        std::fs::create_dir_all(path.join(RUNS)).map_err(|error| Error::file(path, &error))?;
        let lock = lock(path)?;
        let files = files(study, plan)?;
        let changed = before.map(|before| changed(&before["files"], &files)).unwrap_or_default();
        let text = json!({ "name": study.name, "files": files });
        write_atomic(&record, format!("{text:#}\n").as_bytes())?;
        Ok((Self { path: path.to_path_buf(), _lock: lock }, changed))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn run(&self, run: &PlannedRun) -> PathBuf {
        self.path.join(RUNS).join(&run.name)
    }

    /// What a run said of itself at its end, if it is done.
    pub(super) fn finished(&self, run: &PlannedRun) -> Option<Json> {
        let stage = read_json(&self.run(run).join(STAGE)).ok()?;
        (stage["key"] == run.key.as_str()).then(|| stage["result"].clone())
    }

    pub(super) fn finish(&self, run: &PlannedRun, set: &[String], result: &Json) -> Result<()> {
        let stage = json!({ "key": run.key, "file": run.file, "set": set, "result": result });
        Ok(write_atomic(&self.run(run).join(STAGE), format!("{stage:#}\n").as_bytes())?)
    }

    /// Whether another process still writes into a run's folder: one whose parent was killed saves its state first.
    pub(super) fn busy(&self, run: &PlannedRun) -> bool {
        let lock = File::options().write(true).open(self.run(run).join(LOCK));
        lock.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Whether a run that is not done left something to go on from; what it left otherwise is removed.
    pub(super) fn resumable(&self, run: &PlannedRun) -> Result<bool> {
        let folder = self.run(run);
        if !folder.exists() {
            return Ok(false);
        }
        if RunFolder::open(&folder).is_ok_and(|run| run.newest_good().is_ok()) {
            return Ok(true);
        }
        self.remove(run)?;
        Ok(false)
    }

    /// Removes what a run left. Its folder is the study's own: nobody else's files are there.
    pub(super) fn remove(&self, run: &PlannedRun) -> Result<()> {
        let folder = self.run(run);
        std::fs::remove_dir_all(&folder).map_err(|error| Error::file(&folder, &error))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        write_atomic(&path, text.as_bytes())?;
        Ok(path)
    }
}

fn lock(path: &Path) -> Result<File> {
    let file = path.join(LOCK);
    let opened = File::options().create(true).truncate(false).write(true).open(&file);
    let opened = opened.map_err(|error| Error::file(&file, &error))?;
    match opened.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let text = format!("the study in `{}` is being run by another process", path.display());
            Err(Error::new("run/busy", text)
                .with_help("wait until that has ended, or choose another folder with --out"))
        }
        // Some file systems know no locks; the runs have their own.
        _ => Ok(opened),
    }
}

fn refuse_content(path: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(path) else { return Ok(()) };
    let stray =
        entries.find_map(|entry| entry.ok().map(|entry| entry.file_name()).filter(|name| name != LOCK && name != RUNS));
    match stray {
        None => Ok(()),
        Some(name) => {
            let text = format!(
                "the folder `{}` is not empty: it holds `{}`, which is no part of a study",
                path.display(),
                name.to_string_lossy()
            );
            Err(Error::new("run/not-empty", text)
                .with_help("choose a new or empty folder with --out; nothing was changed in this one"))
        }
    }
}

/// The study file and its experiments, each with the hash of its content.
fn files(study: &Study, plan: &Plan) -> Result<BTreeMap<String, String>> {
    let mut files = plan.files.clone();
    let bytes = std::fs::read(&study.path).map_err(|error| Error::file(&study.path, &error))?;
    let name = std::path::absolute(&study.path).unwrap_or_else(|_| study.path.clone());
    files.insert(name.display().to_string(), blake3::hash(&bytes).to_hex().to_string());
    Ok(files)
}

fn changed(before: &Json, now: &BTreeMap<String, String>) -> Vec<String> {
    now.iter()
        .filter(|(name, hash)| before[name.as_str()].as_str().is_some_and(|old| old != hash.as_str()))
        .map(|(name, _)| name.clone())
        .collect()
}

fn read_json(path: &Path) -> Result<Json> {
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new("run/format", format!("`{}` cannot be read as JSON: {error}", path.display()))
            .with_help("restore the file from a copy, or choose another folder with --out")
    })
}
