//! Everything that can be wrong with sounds and their settings, and how to mend it.

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A sound that cannot be decoded whole.
    #[error("{place}: {reason}")]
    Damaged {
        /// The file, or the archive and its member.
        place: String,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// The kind of a file is not known.
    #[error(
        "{place}: its name does not say what it holds: sounds end in {known}; archives in .tar, .tar.gz or .tgz; manifests in .tsv or .jsonl"
    )]
    UnknownFormat {
        /// The file.
        place: String,
        /// The known endings.
        known: &'static str,
    },
    /// There is no sound in a file or folder.
    #[error("{place} holds no sound: {help}")]
    Empty {
        /// The file, folder or archive.
        place: String,
        /// What would be a sound there.
        help: &'static str,
    },
    /// No member of an archive is one of those wanted.
    #[error("{place}: no member is called `{glob}`; it has {}", some(known))]
    NoMember {
        /// The archive.
        place: String,
        /// What members were wanted.
        glob: String,
        /// The members there are.
        known: Vec<String>,
    },
    /// A line of a manifest that cannot be used.
    #[error("{place}, line {line}: {reason}")]
    Manifest {
        /// The manifest.
        place: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// A name that the pattern for labels does not fit.
    #[error("{place}: its name does not fit the pattern `{pattern}`: mend the pattern, or leave the file out")]
    Unlabelled {
        /// The file, or the archive and its member.
        place: String,
        /// The pattern.
        pattern: String,
    },
    /// A setting that cannot be.
    #[error("`{setting}` is {value}: {allowed}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(place: &str, reason: impl Into<String>) -> Self {
        Self::Damaged { place: place.to_owned(), reason: reason.into() }
    }

    pub(crate) fn setting(setting: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Setting { setting, value: value.to_string(), allowed: allowed.into() }
    }

    /// Whether one sound is to blame, so that the others may be used without it.
    #[must_use]
    pub fn is_of_one_sound(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// At most six names and how many more there are.
fn some(names: &[String]) -> String {
    if names.is_empty() {
        return "none at all".to_owned();
    }
    let shown: Vec<String> = names.iter().take(6).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > 6 { format!(" and {} more", names.len() - 6) } else { String::new() };
    shown.join(", ") + &more
}
