//! Errors of run folders: what went wrong, where, and how to mend it.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A new run was asked for in a folder that holds one.
    #[error("the folder `{}` already holds a run", .path.display())]
    Exists { path: PathBuf },

    /// A new run was asked for in a folder that holds something else.
    #[error("the folder `{}` is not empty: it holds `{found}`, which is no part of a run", .path.display())]
    NotEmpty { path: PathBuf, found: String },

    /// A run was expected here.
    #[error("`{}` is no run: {reason}", .path.display())]
    NoRun { path: PathBuf, reason: String },

    /// Another process trains into the folder.
    #[error("the run in `{}` is in use by {holder}", .path.display())]
    Busy { path: PathBuf, holder: String },

    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    /// A line of a metrics file cannot be read, and it is not the last one.
    #[error("line {line} of `{}` is damaged: {reason}", .path.display())]
    Line { path: PathBuf, line: usize, reason: String },

    /// A metric cannot be recorded under this name.
    #[error("the metric `{name}` at step {step} cannot be recorded: {reason}")]
    Metric { name: String, step: u64, reason: &'static str },

    /// A checkpoint, or a file in it, is not what was written.
    #[error("`{}` is damaged: {reason}", .path.display())]
    Damaged { path: PathBuf, reason: String },

    /// No checkpoint can be read.
    #[error("no good checkpoint in `{}`{}", .path.display(), list(.skipped))]
    NoCheckpoint { path: PathBuf, skipped: Vec<String> },

    /// A tensor cannot be stored or is not there.
    #[error("tensor `{name}` of `{}`: {reason}", .path.display())]
    Tensor { path: PathBuf, name: String, reason: String },

    /// A JSON or TOML file of a run does not parse.
    #[error("`{}` cannot be read as {format}: {reason}", .path.display())]
    Format { path: PathBuf, format: &'static str, reason: String },

    /// A comparison needs at least two runs.
    #[error("a comparison needs two runs or more; {given} given")]
    TooFewRuns { given: usize },
}

impl Error {
    /// The short name shown as `error[run/exists]`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "run/exists",
            Self::NotEmpty { .. } => "run/not-empty",
            Self::NoRun { .. } => "run/none",
            Self::Busy { .. } => "run/busy",
            Self::Io { .. } => "run/io",
            Self::Line { .. } => "run/metrics-damaged",
            Self::Metric { .. } => "run/metric",
            Self::Damaged { .. } => "run/checkpoint-damaged",
            Self::NoCheckpoint { .. } => "run/no-checkpoint",
            Self::Tensor { .. } => "run/tensor",
            Self::Format { .. } => "run/format",
            Self::TooFewRuns { .. } => "run/compare",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Exists { .. } => "choose another folder with --out, or continue this run with --resume".into(),
            Self::NotEmpty { .. } => "choose a new or empty folder with --out; nothing was changed in this one".into(),
            Self::NoRun { .. } => {
                "give the folder that `lacuna run` named at its end; it holds `experiment.toml` and `metrics.jsonl`"
                    .into()
            }
            Self::Busy { .. } => "wait until that process has ended, or choose another folder with --out".into(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space, or choose a folder on another disk with --out; what was there before is intact"
                        .into()
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "give yourself the right to this path, or choose another folder with --out".into()
                }
                io::ErrorKind::NotFound => "check the path for a misspelling".into(),
                _ => "check that the disk is present and healthy; what was there before is intact".into(),
            },
            Self::Line { line, .. } => {
                format!("restore the file from a copy, or delete line {line} if you can do without it")
            }
            Self::Metric { .. } => "give the metric another name".into(),
            Self::Damaged { .. } => "continue from an older checkpoint: --resume finds the newest good one".into(),
            Self::NoCheckpoint { skipped, .. } if skipped.is_empty() => {
                "the run stopped before its first checkpoint: start it again in a new folder".into()
            }
            Self::NoCheckpoint { .. } => "restore a checkpoint folder from a copy, or start the run again".into(),
            Self::Tensor { .. } => "check which experiment and which checkpoint belong together".into(),
            Self::Format { .. } => "restore the file from a copy".into(),
            Self::TooFewRuns { .. } => "name two run folders: lacuna compare RUN RUN".into(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn list(skipped: &[String]) -> String {
    skipped.iter().map(|text| format!("\n  {text}")).collect()
}
