//! Labels of documents, as they stand in files.

use super::{Flow, Outlet};
use crate::{Document, Error, Origin};

/// What a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelKind {
    /// One of some names.
    Class,
    /// A number.
    Score,
    /// One of some names for each word.
    Tags,
}

impl LabelKind {
    /// `class`, `score` or `tags`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Score => "score",
            Self::Tags => "tags",
        }
    }
}

impl std::str::FromStr for LabelKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "class" => Ok(Self::Class),
            "score" => Ok(Self::Score),
            "tags" => Ok(Self::Tags),
            _ => Err(Error::UnknownName {
                what: "kind of label",
                name: name.to_owned(),
                known: "`class`, `score` or `tags`",
            }),
        }
    }
}

/// What a document is labelled with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Label {
    /// Nothing.
    #[default]
    None,
    /// One of some names.
    Class(String),
    /// A number.
    Score(f32),
    /// One of some names for each word, in the order of the words.
    Tags(Vec<Tag>),
}

impl Label {
    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (class, tags): (Option<&str>, &[Tag]) = match self {
            Self::Class(name) => (Some(name), &[]),
            Self::Tags(tags) => (None, tags),
            Self::None | Self::Score(_) => (None, &[]),
        };
        class.into_iter().chain(tags.iter().map(|tag| tag.name.as_str()))
    }
}

/// The tag of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Byte of the text at which the word begins.
    pub start: usize,
    /// The tag.
    pub name: String,
    /// The line of the file that it stands in, from 1.
    pub line: u64,
}

/// The fields of one record, as they stand in the file.
pub(super) struct Record {
    pub(super) text: String,
    pub(super) second: Option<String>,
    pub(super) label: Option<String>,
}

/// A word, its tag and their line.
pub(super) type Tagged<'a> = (&'a str, &'a str, u64);

impl Outlet<'_> {
    /// Gives a record with a label of this kind; without a kind its label is left out.
    pub(super) fn record(&mut self, line: u64, record: Record, kind: Option<LabelKind>) -> Flow {
        let Record { text, second, label } = record;
        let label = match (kind, label) {
            (None, _) => Label::None,
            (Some(_), None) => return Err(self.damaged(line, "it has no label").into()),
            (Some(LabelKind::Tags), Some(tags)) => {
                let (words, tags): (Vec<_>, Vec<_>) = (words_of(&text), words_of(&tags));
                return self.parallel(line, &words, &tags);
            }
            (Some(LabelKind::Class), Some(label)) => Label::Class(self.name(line, &label)?),
            (Some(LabelKind::Score), Some(label)) => match label.trim().parse::<f32>() {
                Ok(score) if score.is_finite() => Label::Score(score),
                _ => return Err(self.damaged(line, format!("the label `{}` is no number", label.trim())).into()),
            },
        };
        self.give_whole(line, text, second, label)
    }

    /// Gives words with as many tags.
    pub(super) fn parallel(&mut self, line: u64, words: &[&str], tags: &[&str]) -> Flow {
        if words.len() != tags.len() {
            let reason = format!("{} words have {} tags", words.len(), tags.len());
            return Err(self.damaged(line, reason).into());
        }
        let tagged: Vec<Tagged<'_>> = words.iter().zip(tags).map(|(word, tag)| (*word, *tag, line)).collect();
        self.tagged(&tagged)
    }

    /// Gives tagged words, joined by spaces; the first one's line is that of the document.
    pub(super) fn tagged(&mut self, words: &[Tagged<'_>]) -> Flow {
        let Some(first) = words.first().map(|(_, _, line)| *line) else { return Ok(()) };
        let (mut text, mut tags) = (String::new(), Vec::with_capacity(words.len()));
        for (word, tag, line) in words {
            if !text.is_empty() {
                text.push(' ');
            }
            tags.push(Tag { start: text.len(), name: self.name(*line, tag)?, line: *line });
            text.push_str(word);
        }
        self.give_whole(first, text, None, Label::Tags(tags))
    }

    /// A label's name without the white space around it.
    fn name(&self, line: u64, name: &str) -> Result<String, Error> {
        let name = name.trim();
        if name.is_empty() { Err(self.damaged(line, "the label is empty")) } else { Ok(name.to_owned()) }
    }

    fn give_whole(&mut self, line: u64, text: String, second: Option<String>, label: Label) -> Flow {
        if text.trim().is_empty() {
            return Ok(());
        }
        self.sent += 1;
        (self.send)(Document { text, second, label, origin: Origin { file: self.file.clone(), line } })
    }
}

/// The words between white space.
pub(super) fn words_of(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}
