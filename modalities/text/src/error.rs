//! Everything that can be wrong with text, tokenizers and shards, and how to mend it.

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
    #[error("cannot tell what {} holds from its name: name it {known} (or one of these with .gz), or set the format", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The known endings.
        known: &'static str,
    },
    /// A name of a format or unit is not known.
    #[error("`{name}` is no {what}: use {known}")]
    UnknownName {
        /// What was to be named: `format`, `unit of text`.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names there are.
        known: &'static str,
    },
    /// There is no text in a file, folder or archive.
    #[error("{place} holds no text: {help}")]
    Empty {
        /// The file, folder or archive.
        place: String,
        /// What would be text there.
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
    /// A label that is none of those known.
    #[error(
        "{place}, line {line}: the label `{label}` is none of {}: the labels are those of the training files, or the list `labels`",
        some(known)
    )]
    UnknownLabel {
        /// The file.
        place: String,
        /// Line or row, from 1.
        line: u64,
        /// The label.
        label: String,
        /// The labels there are.
        known: Vec<String>,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{place}, line {line}: byte {offset} of the file is not UTF-8{hint}; convert the file, for example with `iconv -t UTF-8`"
    )]
    Encoding {
        /// The file.
        place: String,
        /// Line of the byte, from 1.
        line: u64,
        /// Offset of the byte, from 0; in a table, of the record's first byte.
        offset: u64,
        /// What the bytes look like, or nothing.
        hint: &'static str,
    },
    /// A damaged file or record.
    #[error("{place}{}: {reason}", at_line(*line))]
    Damaged {
        /// The file.
        place: String,
        /// Line or row, from 1, where it is known.
        line: Option<u64>,
        /// What is wrong.
        reason: String,
    },
    /// The field or column with the text is missing.
    #[error(
        "{place}, line {line}: there is no field `{field}`, only {}: set the field that holds the text",
        listed(known)
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
    /// The field or column is there but holds no text.
    #[error("{place}, line {line}: field `{field}` holds {found}, not text: set the field that holds the text")]
    NotText {
        /// The file.
        place: String,
        /// Line or row, from 1.
        line: u64,
        /// The field.
        field: String,
        /// What it holds.
        found: String,
    },
    /// A tokenizer cannot be loaded or used.
    #[error("tokenizer{}: {reason}", of_path(path.as_deref()))]
    Tokenizer {
        /// Its file, where it came from one.
        path: Option<PathBuf>,
        /// What is wrong.
        reason: String,
    },
    /// A tokenizer cannot be trained.
    #[error("cannot train a tokenizer of {vocabulary_size} tokens: {reason}")]
    Training {
        /// The size asked for.
        vocabulary_size: u32,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// A folder of shards is damaged or of another kind.
    #[error("shards: {}: {reason}", path.display())]
    Shards {
        /// The folder or the file in it.
        path: PathBuf,
        /// What is wrong, and what helps.
        reason: String,
    },
    /// Settings of samples that contradict each other.
    #[error("samples: `{setting}` is {value}: {reason}")]
    Samples {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: usize,
        /// What it has to be.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn at_line(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

fn of_path(path: Option<&Path>) -> String {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing at all".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// At most six names and how many more there are.
fn some(names: &[String]) -> String {
    match names.len() {
        0..=6 => listed(names),
        more => format!("{} and {} more", listed(&names[..6]), more - 6),
    }
}
