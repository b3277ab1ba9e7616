//! Everything that can be wrong with pictures and the files that hold them, and how to mend it.

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and what helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be opened, read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write` …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kind of a file is not known.
    #[error(
        "cannot tell what {} holds from its name: name it .png, .jpg, .webp, .tar, .tar.gz, .tgz, .parquet, .jsonl, or as MNIST's \
         files are called: NAME-idx3-ubyte, also with .gz",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// There is no picture in a file, folder or archive.
    #[error("{place} holds no picture: {help}")]
    Empty {
        /// The file, folder or archive.
        place: String,
        /// What would be a picture there.
        help: &'static str,
    },
    /// No member of an archive is one of those wanted.
    #[error("{place}: no picture is called `{glob}`; it has {}", some(known))]
    NoMember {
        /// The archive.
        place: String,
        /// What members were wanted.
        glob: String,
        /// The members there are.
        known: Vec<String>,
    },
    /// A picture that is damaged, cut off, too large or of no known kind.
    #[error("{place}: {reason}; mend or remove it, or leave such pictures out: `damaged = \"skip\"`")]
    Unreadable {
        /// The file, for an archive with its member.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A damaged archive, table or manifest.
    #[error("{place}{}: {reason}", at_line(*line))]
    Damaged {
        /// The file.
        place: String,
        /// Line or row, from 1, where it is known.
        line: Option<u64>,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// The field or column with the picture is missing.
    #[error(
        "{place}, line {line}: there is no field `{field}`, only {}: set `field` to the one that holds the picture",
        some(known)
    )]
    MissingField {
        /// The file.
        place: String,
        /// Line or row, from 1.
        line: u64,
        /// The field asked for.
        field: String,
        /// The fields that are there.
        known: Vec<String>,
    },
    /// A label that is none of those known.
    #[error(
        "{place}: the label `{label}` is none of {}: the labels are those of the training pictures, or the list `labels`",
        some(known)
    )]
    UnknownLabel {
        /// The picture.
        place: String,
        /// Its label.
        label: String,
        /// The labels there are.
        known: Vec<String>,
    },
    /// A picture without a label where all need one.
    #[error(
        "{place} has no label: put pictures into a folder for each class, give labels in a file, a member or a column \
         (`label_field`), or do without: `labelled = false`"
    )]
    Unlabelled {
        /// The picture.
        place: String,
    },
    /// A map of classes that does not fit its picture, or the classes.
    #[error("{place}: {reason}")]
    ClassMap {
        /// The map or the picture.
        place: String,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// Nothing is left.
    #[error("all {count} pictures are unreadable, the first: {first}")]
    NothingLeft {
        /// How many there were.
        count: usize,
        /// What is wrong with the first.
        first: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, line: Option<u64>, reason: impl Into<String>) -> Self {
        Self::Damaged { place: path.display().to_string(), line, reason: reason.into() }
    }
}

fn at_line(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// At most six names and how many more there are.
fn some(names: &[String]) -> String {
    let listed = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "nothing at all".to_owned(),
        1..=6 => listed(names),
        more => format!("{} and {} more", listed(&names[..6]), more - 6),
    }
}
