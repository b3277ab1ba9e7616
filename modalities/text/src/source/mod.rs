//! Documents out of text files of many formats.
//!
//! A thread of its own reads and decodes, so that reading overlaps with whatever the consumer does. Files come in the
//! order given, documents in the order of their files: nothing depends on timing. Every error names file and line and is
//! the last thing that arrives.

mod archive;
mod columns;
mod files;
mod jsonl;
mod label;
mod parquet_table;
pub(crate) mod sentence;
mod table;
mod text;
mod zip;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

pub(crate) use columns::PARALLEL;
pub use files::{source_files, split_members};
pub use label::{Label, LabelKind, Tag};

use self::label::Record;
use crate::{Error, Result};

/// Documents read ahead of the consumer.
const AHEAD: usize = 256;

/// A text, or a pair of texts, with its label and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The text, never blank; lines end in `\n`. Tagged words are joined by spaces.
    pub text: String,
    /// The second text of a pair.
    pub second: Option<String>,
    /// Its label.
    pub label: Label,
    /// Its place.
    pub origin: Origin,
}

/// The place of a document: a file, or `archive: entry`, and a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, and for an archive the entry.
    pub file: Arc<str>,
    /// First line, record or row, from 1.
    pub line: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, line {}", self.file, self.line)
    }
}

/// What a file holds. Any of them may be gzip-compressed (`.gz`), which the name or the first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text (`.txt`, `.text`), cut by [`TextUnit`].
    Text,
    /// One JSON object per line (`.jsonl`, `.ndjson`).
    JsonLines,
    /// Comma-separated values (`.csv`), quoted as RFC 4180 says.
    Csv,
    /// Tab-separated values (`.tsv`), quotes being ordinary characters.
    Tsv,
    /// Apache Parquet (`.parquet`), uncompressed, snappy or gzip inside.
    Parquet,
    /// A tar archive (`.tar`, `.tar.gz`, `.tgz`) of plain text files: entries named `.txt`, `.text` or without an ending.
    /// Chosen members ([`source_files`]) may be of any other format.
    Tar,
    /// A zip archive (`.zip`), as [`Format::Tar`].
    Zip,
    /// CoNLL columns: a token and its tag in each line, an empty line after each sentence.
    Conll,
    /// TREC's questions: `COARSE:fine question` in each line, Latin-1 where it is not UTF-8.
    Trec,
    /// A folder of the line-parallel files `seq.in` (words), `seq.out` (their tags) and `label` (the class).
    Snips,
    /// The Brown corpus: a sentence of `word/tag` in each line.
    Brown,
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "txt" => Self::Text,
            "jsonl" => Self::JsonLines,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "parquet" => Self::Parquet,
            "tar" => Self::Tar,
            "zip" => Self::Zip,
            "conll" => Self::Conll,
            "trec" => Self::Trec,
            "snips" => Self::Snips,
            "brown" => Self::Brown,
            _ => {
                let known =
                    "`txt`, `jsonl`, `csv`, `tsv`, `parquet`, `tar`, `zip`, `conll`, `trec`, `snips` or `brown`";
                return Err(Error::UnknownName { what: "format", name: name.to_owned(), known });
            }
        })
    }
}

/// What one document of plain text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextUnit {
    /// Lines up to the next blank one.
    #[default]
    Paragraph,
    /// Each line that is not blank.
    Line,
    /// Each sentence of a paragraph. It ends at `.`, `!` or `?`, closing quotes and brackets included, when white space and
    /// then a capital letter, a digit, an opening quote or a bracket follow; not after a single letter (an initial) or a
    /// title such as `Mr.`. A rule for European prose: it knows no languages.
    Sentence,
    /// The whole file, or archive entry.
    File,
}

impl std::str::FromStr for TextUnit {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "paragraph" => Ok(Self::Paragraph),
            "line" => Ok(Self::Line),
            "sentence" => Ok(Self::Sentence),
            "file" => Ok(Self::File),
            _ => Err(Error::UnknownName {
                what: "unit of text",
                name: name.to_owned(),
                known: "`paragraph`, `line`, `sentence` or `file`",
            }),
        }
    }
}

/// How to read the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// Format of all files; `None` asks their names.
    pub format: Option<Format>,
    /// What one document of plain text is.
    pub unit: TextUnit,
    /// Field or column that holds the text: a name, or for tables without a header a number from 0.
    pub field: String,
    /// Field or column of a second text, which makes pairs.
    pub second_field: Option<String>,
    /// Field or column of the label. Formats with labels of their own read it otherwise: `conll` as the number of a column, the
    /// last without one; `trec` takes the fine classes for `fine`; `brown` drops what was added to a tag for `base`.
    pub label_field: Option<String>,
    /// What a label is; without it labels are not read, except where the format has them by itself.
    pub label_kind: Option<LabelKind>,
    /// Whether csv and tsv begin with a line of column names.
    pub header: bool,
}

impl SourceSettings {
    /// Whether the fields of a table have names: where all are numbers, it has no line of names and they count its columns.
    #[must_use]
    pub fn has_names(field: &str, second: Option<&str>, label: Option<&str>) -> bool {
        [Some(field), second, label].into_iter().flatten().any(|name| name.parse::<usize>().is_err())
    }
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            format: None,
            unit: TextUnit::default(),
            field: "text".to_owned(),
            second_field: None,
            label_field: None,
            label_kind: None,
            header: true,
        }
    }
}

/// Reads the documents of `files` in order; a folder stands for its files, sorted by name, and `archive#glob` for members of
/// an archive ([`source_files`]).
///
/// Blank documents and missing values (JSON null) are passed over.
///
/// # Errors
/// The iterator gives one error and ends: a file that is missing, damaged, not UTF-8, without the field asked for, or
/// without any text.
#[must_use]
pub fn documents(files: &[PathBuf], settings: &SourceSettings) -> Documents {
    let (sender, receiver) = sync_channel(AHEAD);
    let (files, settings) = (files.to_vec(), settings.clone());
    let read = move || {
        let mut send = |document| sender.send(Ok(document)).map_err(|_| Stop::Consumer);
        if let Err(Stop::Failed(error)) = files::read_all(&files, &settings, &mut send) {
            // Nobody listens any more where this fails.
            let _ = sender.send(Err(error));
        }
    };
    let spawned = std::thread::Builder::new().name("documents".to_owned()).spawn(read);
    let (thread, failed) = match spawned {
        Ok(thread) => (Some(thread), None),
        Err(source) => {
            (None, Some(Error::Io { action: "start a thread for", path: PathBuf::from("the text files"), source }))
        }
    };
    Documents { receiver: Some(receiver), thread, failed }
}

/// The documents of some files; see [`documents`].
pub struct Documents {
    receiver: Option<Receiver<Result<Document>>>,
    thread: Option<JoinHandle<()>>,
    failed: Option<Error>,
}

impl Iterator for Documents {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        if let Ok(item) = self.receiver.as_ref()?.recv() {
            return Some(item);
        }
        self.receiver = None;
        // A panic must not look like the end of the data.
        let panicked = self.thread.take().is_some_and(|thread| thread.join().is_err());
        panicked.then(|| {
            Err(Error::Damaged { place: "text files".to_owned(), line: None, reason: "the reader panicked".to_owned() })
        })
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        // The reader notices at its next document that nobody listens.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Why reading ended early.
enum Stop {
    Failed(Error),
    /// The consumer wants no more.
    Consumer,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Flow = std::result::Result<(), Stop>;

/// Where a reader puts the documents of one file.
struct Outlet<'a> {
    file: Arc<str>,
    sent: u64,
    send: &'a mut dyn FnMut(Document) -> Flow,
}

impl Outlet<'_> {
    /// Gives a text without a label.
    fn give(&mut self, line: u64, text: String) -> Flow {
        self.record(line, Record { text, second: None, label: None }, None)
    }

    fn damaged(&self, line: impl Into<Option<u64>>, reason: impl fmt::Display) -> Error {
        Error::Damaged { place: self.file.to_string(), line: line.into(), reason: reason.to_string() }
    }

    fn missing(&self, line: u64, field: &str, known: Vec<String>) -> Error {
        Error::MissingField { place: self.file.to_string(), line, field: field.to_owned(), known }
    }

    fn not_text(&self, line: u64, field: &str, found: impl Into<String>) -> Error {
        Error::NotText { place: self.file.to_string(), line, field: field.to_owned(), found: found.into() }
    }
}
