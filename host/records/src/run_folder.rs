//! The folder of a run: created once, never overwritten, written by one process at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::checkpoint::{Found, newest_good};
use crate::error::{Error, Result};
use crate::items::{ItemRow, write_items};
use crate::lock::{LOCK, RunLock};
use crate::metrics::{Rows, read_rows};
use crate::provenance::Provenance;

const EXPERIMENT: &str = "experiment.toml";
const PROVENANCE: &str = "provenance.json";
const METRICS: &str = "metrics.jsonl";
const TIMINGS: &str = "timings.jsonl";
const TENSORBOARD: &str = "tensorboard";
const LOG: &str = "log.txt";
const REPORT: &str = "report.html";
const CHECKPOINTS: &str = "checkpoints";

/// A run's folder. One that was created or resumed is locked against other processes until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Option<RunLock>,
}

impl RunFolder {
    /// Makes the folder of a new run exactly at `path`, with the folders above it. An empty folder may be there already.
    ///
    /// # Errors
    /// [`Error::Exists`] when it holds a run, [`Error::NotEmpty`] when it holds anything else, [`Error::Busy`],
    /// [`Error::Io`].
    pub fn create(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
        // Looked at before locking, so that a folder of something else stays untouched, and again after, so that of two
        // processes only one gets it.
        refuse_content(path)?;
        let lock = RunLock::take(path)?;
        refuse_content(path)?;
        Ok(Self { path: path.into(), _lock: Some(lock) })
    }

    /// Makes `ROOT/NAME-0001` or the next free number.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_next(root: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(root).map_err(Error::io("create", root))?;
        let name = file_name(name);
        let mut number = last_number(root, &name)? + 1;
        loop {
            let path = root.join(format!("{name}-{number:04}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { _lock: Some(RunLock::take(&path)?), path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io("create", &path)(error)),
            }
        }
    }

    /// Opens a run for reading.
    ///
    /// # Errors
    /// [`Error::NoRun`] naming the folder.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::NoRun { path: path.into(), reason: reason.into() });
        if !path.exists() {
            return refuse("there is nothing at this path");
        }
        if !path.is_dir() {
            return refuse("it is a file, not a folder");
        }
        if !path.join(EXPERIMENT).is_file() {
            return refuse("the folder holds no `experiment.toml`");
        }
        Ok(Self { path: path.into(), _lock: None })
    }

    /// Opens a run to go on with it, and locks it.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::Busy`], [`Error::Io`].
    pub fn resume(path: &Path) -> Result<Self> {
        Self::open(path)?;
        Ok(Self { path: path.into(), _lock: Some(RunLock::take(path)?) })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's name: what comparisons call the run.
    #[must_use]
    pub fn name(&self) -> String {
        let absolute = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        absolute.file_name().map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// `metrics.jsonl`.
    #[must_use]
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// `tensorboard`, the folder of the event file.
    #[must_use]
    pub fn tensorboard_path(&self) -> PathBuf {
        self.path.join(TENSORBOARD)
    }

    /// `items.jsonl` of the split `valid`, `items-SPLIT.jsonl` of another.
    #[must_use]
    pub fn items_path(&self, split: &str) -> PathBuf {
        self.path.join(if split == "valid" { "items.jsonl".to_owned() } else { format!("items-{split}.jsonl") })
    }

    /// Replaces the items of a split.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_items(&self, split: &str, rows: &[ItemRow]) -> Result<()> {
        write_items(&self.items_path(split), rows)
    }

    /// `timings.jsonl`.
    #[must_use]
    pub fn timings_path(&self) -> PathBuf {
        self.path.join(TIMINGS)
    }

    /// `report.html`.
    #[must_use]
    pub fn report_path(&self) -> PathBuf {
        self.path.join(REPORT)
    }

    /// `checkpoints/`, which may not be there yet.
    #[must_use]
    pub fn checkpoints_path(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Writes `experiment.toml`, the resolved experiment.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_experiment(&self, text: &str) -> Result<()> {
        write_atomic(&self.path.join(EXPERIMENT), text.as_bytes())
    }

    /// Reads `experiment.toml`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn experiment(&self) -> Result<String> {
        let path = self.path.join(EXPERIMENT);
        fs::read_to_string(&path).map_err(Error::io("read", &path))
    }

    /// Writes `provenance.json`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_provenance(&self, provenance: &Provenance) -> Result<()> {
        let path = self.path.join(PROVENANCE);
        let text = serde_json::to_string_pretty(provenance).map_err(|error| Error::Format {
            path: path.clone(),
            format: "JSON",
            reason: error.to_string(),
        })?;
        write_atomic(&path, format!("{text}\n").as_bytes())
    }

    /// Reads `provenance.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`].
    pub fn provenance(&self) -> Result<Provenance> {
        let path = self.path.join(PROVENANCE);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Format {
            path,
            format: "JSON",
            reason: error.to_string(),
        })
    }

    /// Writes `report.html`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_report(&self, html: &str) -> Result<()> {
        write_atomic(&self.report_path(), html.as_bytes())
    }

    /// Opens `log.txt` for appending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_log(&self) -> Result<File> {
        let path = self.path.join(LOG);
        OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))
    }

    /// Reads `metrics.jsonl`; no rows if nothing was measured yet.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Line`].
    pub fn metrics(&self) -> Result<Rows> {
        read_rows(&self.metrics_path())
    }

    /// Reads `timings.jsonl`; no rows if nothing was measured yet.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Line`].
    pub fn timings(&self) -> Result<Rows> {
        read_rows(&self.timings_path())
    }

    /// Seconds spent training, over all legs of a run that was resumed; none if no time was taken.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Line`].
    pub fn trained_seconds(&self) -> Result<Option<f64>> {
        let rows = self.timings()?.rows;
        let mut seconds = rows.iter().filter_map(|row| row.get("seconds")).peekable();
        let mut total = None;
        while let Some(now) = seconds.next() {
            // Each leg counts from its own start.
            if seconds.peek().is_none_or(|next| *next < now) {
                total = Some(total.unwrap_or(0.0) + now);
            }
        }
        Ok(total)
    }

    /// The newest checkpoint that is whole.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`], [`Error::Io`].
    pub fn newest_good(&self) -> Result<Found> {
        newest_good(&self.checkpoints_path())
    }
}

fn refuse_content(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
        let found = entry.map_err(Error::io("read", path))?.file_name().to_string_lossy().into_owned();
        if [EXPERIMENT, PROVENANCE, METRICS, TIMINGS, CHECKPOINTS].contains(&found.as_str()) {
            return Err(Error::Exists { path: path.into() });
        }
        if found != LOCK {
            return Err(Error::NotEmpty { path: path.into(), found });
        }
    }
    Ok(())
}

/// `name` with everything that could lead elsewhere or need quoting replaced.
fn file_name(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let safe = safe.trim_start_matches(['.', '-']);
    // The usual limit on a file name is 255 bytes; the number needs a few.
    let end = (0..=safe.len().min(200)).rev().find(|end| safe.is_char_boundary(*end)).unwrap_or(0);
    if end == 0 { "run".into() } else { safe[..end].into() }
}

fn last_number(root: &Path, name: &str) -> Result<u64> {
    let mut last = 0;
    for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
        let found = entry.map_err(Error::io("read", root))?.file_name().to_string_lossy().into_owned();
        let number =
            found.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_that_holds_a_run_is_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let run = RunFolder::create(&path).unwrap();
        assert_eq!(RunFolder::create(&path).unwrap_err().code(), "run/busy");
        run.write_experiment("a = 1\n").unwrap();
        drop(run);
        let error = RunFolder::create(&path).unwrap_err();
        assert_eq!(error.code(), "run/exists");
        assert!(error.help().contains("--resume") && error.help().contains("--out"));
        assert_eq!(RunFolder::open(&path).unwrap().experiment().unwrap(), "a = 1\n");
        let run = RunFolder::resume(&path).unwrap();
        assert_eq!(RunFolder::resume(&path).unwrap_err().code(), "run/busy");
        assert_eq!(run.name(), "b");
        RunFolder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_of_something_else_is_refused_untouched() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.tex"), "").unwrap();
        let error = RunFolder::create(root.path()).unwrap_err();
        assert!(error.to_string().contains("thesis.tex"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        let error = RunFolder::create(&root.path().join("thesis.tex/run")).unwrap_err();
        assert_eq!(error.code(), "run/io");
        // What a start that failed at once leaves behind is no obstacle.
        let empty = root.path().join("empty");
        drop(RunFolder::create(&empty).unwrap());
        RunFolder::create(&empty).unwrap();
    }

    #[test]
    fn numbers_go_on_after_the_last_and_names_stay_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("mlm-0007")).unwrap();
        fs::create_dir(root.path().join("mlm-base-0012")).unwrap();
        let next = |name: &str| RunFolder::create_next(root.path(), name).unwrap().name();
        assert_eq!(next("mlm"), "mlm-0008");
        assert_eq!(next("mlm"), "mlm-0009");
        assert_eq!(next("mlm-base"), "mlm-base-0013");
        assert_eq!(next("../../etc/pass wd"), "etc-pass-wd-0001");
        assert_eq!(next("…/"), "run-0001");
        assert_eq!(next(&"ä".repeat(500)).len(), 205);
    }

    #[test]
    fn threads_that_create_at_once_get_folders_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let names: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| RunFolder::create_next(root.path(), "x").unwrap().name())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn what_is_no_run_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        for (path, reason) in [("nowhere", "nothing"), ("file", "a file"), ("", "experiment.toml")] {
            let path = root.path().join(path);
            let error = RunFolder::open(&path).unwrap_err();
            assert!(error.to_string().contains(reason) && error.to_string().contains(&path.display().to_string()));
            assert_eq!(error.code(), "run/none");
        }
    }

    #[test]
    fn provenance_reads_back() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&root.path().join("run")).unwrap();
        run.write_experiment("[run]\n").unwrap();
        let mut provenance = Provenance { command: vec!["lacuna".into(), "run".into()], ..Provenance::default() };
        provenance.facts.insert("device".into(), "cpu".into());
        provenance.plugins.push(crate::FileFacts::of("mlm", "0.1.0", &run.path().join(EXPERIMENT)).unwrap());
        run.write_provenance(&provenance).unwrap();
        assert_eq!(run.provenance().unwrap(), provenance);
        fs::write(run.path().join(PROVENANCE), "{").unwrap();
        assert_eq!(run.provenance().unwrap_err().code(), "run/format");
    }
}
