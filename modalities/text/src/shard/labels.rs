//! Labels beside tokens: the numbers that names become, and the token that carries the tag of a word.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::structure::Starts;
use crate::{Document, Encoding, Error, Label, LabelKind, Origin, Result, Tokenizer};

/// What a token without a tag has in place of one: what cross-entropy passes over.
pub const NO_TAG: i64 = -100;

/// Names that fit beside tokens: two bytes each, 0 for no tag.
const MOST_NAMES: usize = u16::MAX as usize - 1;

/// The labels of some documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// What a label is.
    pub kind: LabelKind,
    /// Their names; a label's number is its place here. Empty for scores.
    pub names: Vec<String>,
}

impl Labels {
    /// The names that come in `documents`, sorted; for scores nothing is read.
    ///
    /// # Errors
    /// That of the first document that cannot be read; documents without a label; too many names.
    pub fn of(kind: LabelKind, documents: impl IntoIterator<Item = Result<Document>>) -> Result<Self> {
        if kind == LabelKind::Score {
            return Ok(Self { kind, names: Vec::new() });
        }
        let mut names = BTreeSet::new();
        for document in documents {
            let document = document?;
            if document.label == Label::None {
                return Err(unlabelled(&document.origin));
            }
            for name in document.label.names() {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
            if names.len() > MOST_NAMES {
                let reason = format!("more than {MOST_NAMES} different labels");
                let Origin { file, line } = document.origin;
                return Err(Error::Damaged { place: file.to_string(), line: Some(line), reason });
            }
        }
        Ok(Self { kind, names: names.into_iter().collect() })
    }

    /// The number of a name that stands in a line of `file`.
    fn number(&self, name: &str, file: &str, line: u64) -> Result<u32> {
        let found = self.names.iter().position(|known| known == name);
        found.map(|number| number as u32).ok_or_else(|| Error::UnknownLabel {
            place: file.to_owned(),
            line,
            label: name.to_owned(),
            known: self.names.clone(),
        })
    }
}

/// A document as it is written down.
pub(super) struct Encoded {
    /// Tokens of the text, and behind them those of the second one.
    pub(super) encoding: Encoding,
    /// Tokens of the first text.
    pub(super) first: u32,
    /// The number of the class, or the bits of the score; 0 without either.
    pub(super) label: u32,
    /// For each token 1 + the number of its tag, or 0; empty without tags.
    pub(super) tags: Vec<u16>,
    /// What begins with each token; nothing in a pair, nor where words are tagged.
    pub(super) starts: Vec<Starts>,
}

/// Tokens and labels of a document.
pub(super) fn encode(document: &Document, tokenizer: &Tokenizer, labels: Option<&Labels>) -> Result<Encoded> {
    let Document { text, second, label, origin } = document;
    let (mut tags, mut starts) = (Vec::new(), Vec::new());
    let (mut encoding, number) = match (labels.map(|labels| (labels, labels.kind)), label) {
        (None, _) => {
            let (encoding, offsets) = tokenizer.encode_with_offsets(text)?;
            starts = super::structure::starts(text, &offsets);
            (encoding, 0)
        }
        (Some((labels, LabelKind::Class)), Label::Class(name)) => {
            (tokenizer.encode(text)?, labels.number(name, &origin.file, origin.line)?)
        }
        (Some((_, LabelKind::Score)), Label::Score(score)) => (tokenizer.encode(text)?, score.to_bits()),
        (Some((labels, LabelKind::Tags)), Label::Tags(words)) => {
            let (encoding, offsets) = tokenizer.encode_with_offsets(text)?;
            tags = vec![0; encoding.ids.len()];
            let starts: Vec<usize> = words.iter().map(|tag| tag.start).collect();
            for (tag, piece) in words.iter().zip(first_pieces(text, &offsets, &starts)) {
                let number = labels.number(&tag.name, &origin.file, tag.line)?;
                if let Some(piece) = piece {
                    tags[piece] = number as u16 + 1;
                }
            }
            (encoding, 0)
        }
        (Some(_), _) => return Err(unlabelled(origin)),
    };
    let first = encoding.ids.len() as u32;
    if let Some(second) = second {
        let second = tokenizer.encode(second)?;
        encoding.ids.extend(second.ids);
        encoding.word_starts.extend(second.word_starts);
    }
    starts.resize(encoding.ids.len(), Starts::default());
    Ok(Encoded { encoding, first, label: number, tags, starts })
}

fn unlabelled(origin: &Origin) -> Error {
    let reason =
        "it has no label of the kind that is asked for: set `label_field` and `label_kind`, or the format".to_owned();
    Error::Damaged { place: origin.file.to_string(), line: Some(origin.line), reason }
}

/// For each word, given by the byte at which it begins, its first token: the first that stands for a part of it that is no
/// white space. `None` where the tokenizer left the whole word out.
pub(super) fn first_pieces(text: &str, offsets: &[Range<usize>], starts: &[usize]) -> Vec<Option<usize>> {
    let mut pieces = vec![None; starts.len()];
    for (token, range) in offsets.iter().enumerate() {
        // Some tokenizers count the space before a word as its first piece's.
        let blank = text.get(range.clone()).map_or(0, |part| part.len() - part.trim_start().len());
        let start = range.start + blank;
        let word = starts.partition_point(|word| *word <= start);
        if start < range.end && word > 0 && pieces[word - 1].is_none() {
            pieces[word - 1] = Some(token);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_word_is_marked_at_its_first_piece() {
        let text = "un be kannt";
        // Pieces `un`, ` be` with the space before it, a lone space, `ka`, `nnt`.
        let offsets = [0..2, 2..5, 5..6, 6..8, 8..11];
        assert_eq!(first_pieces(text, &offsets, &[0, 3, 6]), [Some(0), Some(1), Some(3)]);
        // A word that the tokenizer left out has no piece.
        assert_eq!(first_pieces(text, &[0..2, 6..11], &[0, 3, 6]), [Some(0), None, Some(1)]);
        assert_eq!(first_pieces("", &[], &[]), [None; 0]);
    }

    #[test]
    fn bytes_within_a_letter_belong_to_its_word() {
        let text = "é à";
        let offsets: Vec<Range<usize>> = (0..text.len()).map(|byte| byte..byte + 1).collect();
        assert_eq!(first_pieces(text, &offsets, &[0, 3]), [Some(0), Some(3)]);
    }
}
