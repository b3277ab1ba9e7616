//! Shards, memory-mapped.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::{
    COUNTS, DOCUMENTS, FORMAT, INDEX, Index, LABELS, Labels, NO_TAG, SECONDS, SourceFile, Starts, TOKENIZER,
    starts_name, tags_name, tokens_name, words_name,
};
use crate::{Encoding, Error, LabelKind, Result, Tokenizer};

/// Tokenised documents by number; shared freely between threads.
pub struct Shards {
    dir: PathBuf,
    index: Index,
    offsets: Map,
    counts: Map,
    labels: Option<Map>,
    seconds: Option<Map>,
    parts: Vec<Part>,
}

struct Part {
    /// Tokens in the parts before.
    first_token: u64,
    tokens: Map,
    words: Map,
    starts: Map,
    tags: Option<Map>,
}

impl Shards {
    /// Opens a folder written by [`crate::prepare`], checking sizes and offsets (not hashes: [`Shards::verify`]).
    ///
    /// # Errors
    /// A file is missing, cut off or contradicts the index, or the folder is of another format; the file is named.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref().to_owned();
        let path = dir.join(INDEX);
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let wrong = |reason: String| Error::Shards { path: path.clone(), reason };
        let version =
            serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|index| index["format"].as_u64());
        if version != Some(u64::from(FORMAT)) {
            return Err(wrong(format!("this is not format {FORMAT}; prepare the data again")));
        }
        let index: Index = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("the index is damaged ({error}); prepare the data again")))?;
        let offsets = map(&dir, &index, DOCUMENTS, index.documents.checked_add(1).and_then(|n| n.checked_mul(8)))?;
        let counts = map(&dir, &index, COUNTS, Some(u64::from(index.vocabulary) * 8))?;
        map(&dir, &index, TOKENIZER, None)?;
        let kind = index.labels.as_ref().map(|labels| labels.kind);
        let each = |name: &str| map(&dir, &index, name, index.documents.checked_mul(4));
        let labels = kind.filter(|kind| *kind != LabelKind::Tags).map(|_| each(LABELS)).transpose()?;
        let seconds = index.pairs.then(|| each(SECONDS)).transpose()?;
        let has_tags = kind == Some(LabelKind::Tags);
        let mut parts = Vec::new();
        let (mut documents, mut tokens) = (0_u64, 0_u64);
        for (number, shard) in index.shards.iter().enumerate() {
            parts.push(Part {
                first_token: tokens,
                tokens: map(&dir, &index, &tokens_name(number), shard.tokens.checked_mul(index.token_bytes))?,
                words: map(&dir, &index, &words_name(number), Some(shard.tokens.div_ceil(8)))?,
                starts: map(&dir, &index, &starts_name(number), Some(shard.tokens.div_ceil(4)))?,
                tags: has_tags
                    .then(|| map(&dir, &index, &tags_name(number), shard.tokens.checked_mul(2)))
                    .transpose()?,
            });
            documents = documents.saturating_add(shard.documents);
            tokens = tokens.saturating_add(shard.tokens);
        }
        if documents != index.documents || tokens != index.tokens || ![2, 4].contains(&index.token_bytes) {
            return Err(wrong("its counts contradict each other; prepare the data again".to_owned()));
        }
        let shards = Self { dir, index, offsets, counts, labels, seconds, parts };
        shards.check_offsets()?;
        Ok(shards)
    }

    fn check_offsets(&self) -> Result<()> {
        let ends = (self.offset(0) == 0) && self.offset(self.len()) == self.index.tokens;
        let rising = (0..self.len()).all(|document| self.offset(document) <= self.offset(document + 1));
        // No document may reach into the next shard.
        let mut last = 0;
        let whole = self.index.shards.iter().zip(&self.parts).all(|(shard, part)| {
            last += shard.documents as usize;
            self.offset(last) == part.first_token + shard.tokens
        });
        if ends && rising && whole {
            return Ok(());
        }
        let reason = "the offsets of documents are damaged; prepare the data again".to_owned();
        Err(Error::Shards { path: self.dir.join(DOCUMENTS), reason })
    }

    /// Reads every file and compares its hash with the index.
    ///
    /// # Errors
    /// The first file that differs.
    pub fn verify(&self) -> Result<()> {
        for (name, expected) in &self.index.files {
            let path = self.dir.join(name);
            let mut hasher = blake3::Hasher::new();
            let file = File::open(&path).map_err(Error::io("read", &path))?;
            hasher.update_reader(file).map_err(Error::io("read", &path))?;
            if hasher.finalize().to_hex().as_str() != expected.blake3 {
                let reason = "its contents are not those that were written; prepare the data again".to_owned();
                return Err(Error::Shards { path, reason });
            }
        }
        Ok(())
    }

    /// The tokenizer that made the tokens.
    ///
    /// # Errors
    /// Its file cannot be read, or is another one than the index says.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let path = self.dir.join(TOKENIZER);
        let tokenizer = Tokenizer::from_file(&path)?;
        if tokenizer.hash()? == self.index.tokenizer {
            return Ok(tokenizer);
        }
        Err(Error::Shards {
            path,
            reason: "the tokens were made by another tokenizer; prepare the data again".to_owned(),
        })
    }

    /// Number of documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.documents as usize
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.index.tokens
    }

    /// Number of tokens in document `document`.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn length(&self, document: usize) -> usize {
        (self.offset(document + 1) - self.offset(document)) as usize
    }

    /// Number of tokens in each document.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..self.len()).map(|document| self.length(document))
    }

    /// The tokens of document `document`.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn document(&self, document: usize) -> Encoding {
        self.part(document, 0..self.length(document))
    }

    /// The tokens `range` of document `document`; what lies behind its end is left out.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn part(&self, document: usize, range: Range<usize>) -> Encoding {
        let end = range.end.min(self.length(document));
        let length = end.saturating_sub(range.start);
        if length == 0 {
            return Encoding::default();
        }
        let (part, first) = self.place(document, range.start);
        let size = self.index.token_bytes as usize;
        let bytes = &part.tokens.bytes()[first * size..(first + length) * size];
        let mut word = [0; 4];
        let ids = bytes.chunks_exact(size).map(|id| {
            word[..size].copy_from_slice(id);
            u32::from_le_bytes(word)
        });
        let bits = part.words.bytes();
        let starts = (first..first + length).map(|token| bits[token / 8] >> (token % 8) & 1 == 1);
        Encoding { ids: ids.collect(), word_starts: starts.collect() }
    }

    /// The part that holds token `token` of a document, and its place there.
    fn place(&self, document: usize, token: usize) -> (&Part, usize) {
        let start = self.offset(document) + token as u64;
        let part = &self.parts[self.parts.partition_point(|part| part.first_token <= start) - 1];
        (part, (start - part.first_token) as usize)
    }

    /// What the documents are labelled with.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.index.labels.as_ref()
    }

    /// Whether each document is a pair of texts.
    #[must_use]
    pub fn is_pairs(&self) -> bool {
        self.index.pairs
    }

    /// Tokens of the first text of document `document`: all of it where documents are no pairs.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn first_length(&self, document: usize) -> usize {
        let length = self.length(document);
        self.seconds.as_ref().map_or(length, |seconds| (seconds.number32(document) as usize).min(length))
    }

    /// The number of the class of document `document`, where the labels are classes.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn class(&self, document: usize) -> Option<u32> {
        let classes = self.labels.as_ref().filter(|_| self.has_labels(LabelKind::Class));
        classes.map(|classes| classes.number32(document))
    }

    /// The score of document `document`, where the labels are scores.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn score(&self, document: usize) -> Option<f32> {
        let scores = self.labels.as_ref().filter(|_| self.has_labels(LabelKind::Score));
        scores.map(|scores| f32::from_bits(scores.number32(document)))
    }

    /// The tags of the tokens `range` of document `document`, [`NO_TAG`] for those without one; what lies behind its end is
    /// left out. Empty where the labels are no tags.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn tags(&self, document: usize, range: Range<usize>) -> Vec<i64> {
        let end = range.end.min(self.length(document));
        if !self.has_labels(LabelKind::Tags) || range.start >= end {
            return Vec::new();
        }
        let (part, first) = self.place(document, range.start);
        let Some(tags) = &part.tags else { return Vec::new() };
        let bytes = &tags.bytes()[2 * first..2 * (first + end - range.start)];
        let tag = |bytes: &[u8]| match u16::from_le_bytes([bytes[0], bytes[1]]) {
            0 => NO_TAG,
            number => i64::from(number) - 1,
        };
        bytes.chunks_exact(2).map(tag).collect()
    }

    fn has_labels(&self, kind: LabelKind) -> bool {
        self.index.labels.as_ref().is_some_and(|labels| labels.kind == kind)
    }

    /// What begins with the tokens `range` of document `document`; what lies behind its end is left out.
    ///
    /// # Panics
    /// `document >= len()`.
    #[must_use]
    pub fn starts(&self, document: usize, range: Range<usize>) -> Vec<Starts> {
        let end = range.end.min(self.length(document));
        if end <= range.start {
            return Vec::new();
        }
        let start = self.offset(document) + range.start as u64;
        let part = &self.parts[self.parts.partition_point(|part| part.first_token <= start) - 1];
        let (first, bits) = ((start - part.first_token) as usize, part.starts.bytes());
        let bit = |place: usize| bits[place / 8] >> (place % 8) & 1 == 1;
        (first..first + end - range.start)
            .map(|token| Starts { sentence: bit(2 * token), paragraph: bit(2 * token + 1) })
            .collect()
    }

    /// How often each id occurs; as long as the vocabulary.
    #[must_use]
    pub fn token_counts(&self) -> Vec<u64> {
        (0..self.index.vocabulary as usize).map(|id| self.counts.number(id)).collect()
    }

    /// Size of the vocabulary.
    #[must_use]
    pub fn vocabulary_size(&self) -> u32 {
        self.index.vocabulary
    }

    /// Hash of the tokenizer ([`Tokenizer::hash`]).
    #[must_use]
    pub fn tokenizer_hash(&self) -> &str {
        &self.index.tokenizer
    }

    /// Hash of everything that the tokens depend on: the sources' names and contents, settings, tokenizer, format.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.index.fingerprint
    }

    /// The files that the tokens came from.
    #[must_use]
    pub fn sources(&self) -> &[SourceFile] {
        &self.index.sources
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn offset(&self, document: usize) -> u64 {
        self.offsets.number(document)
    }
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shards").field("dir", &self.dir).field("index", &self.index).finish_non_exhaustive()
    }
}

/// A file in memory; none for an empty one, which cannot be mapped.
struct Map(Option<Mmap>);

impl Map {
    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The u64 at place `index`.
    fn number(&self, index: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes()[index * 8..index * 8 + 8]);
        u64::from_le_bytes(word)
    }

    /// The u32 at place `index`.
    fn number32(&self, index: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes()[index * 4..index * 4 + 4]);
        u32::from_le_bytes(word)
    }
}

/// Maps a file whose size must be the one in the index and, where it follows from the counts, `expected`.
fn map(dir: &Path, index: &Index, name: &str, expected: Option<u64>) -> Result<Map> {
    let path = dir.join(name);
    let file = File::open(&path).map_err(Error::io("read", &path))?;
    let size = file.metadata().map_err(Error::io("read", &path))?.len();
    let written = index.files.get(name).map(|file| file.bytes);
    let expected = expected.or(written);
    if Some(size) != written || expected != written {
        let said = expected.map_or("none".to_owned(), |bytes| bytes.to_string());
        let reason = format!("it has {size} bytes instead of {said}: cut off or changed; prepare the data again");
        return Err(Error::Shards { path, reason });
    }
    if size == 0 {
        return Ok(Map(None));
    }
    // SAFETY: the folder was renamed into place when it was whole, and nothing writes to its files afterwards: a new
    // version is another folder with files of its own, while this mapping keeps the old ones alive.
    let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", &path))?;
    Ok(Map(Some(map)))
}
