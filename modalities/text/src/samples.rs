//! Documents cut into samples.

use std::sync::Arc;

use crate::{Error, Result, Shards, Vocabulary};

/// How documents are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSettings {
    /// Longest sample in tokens, special ones included.
    pub length: usize,
    /// Whether a sample begins and ends with the vocabulary's begin and end tokens, where it has them.
    pub add_special: bool,
    /// Shortest sample in tokens, special ones included; shorter ones are left out and counted.
    pub minimum: usize,
}

/// A piece of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Token ids `[t]`.
    pub ids: Vec<u32>,
    /// Whether each token is no text: added begin and end, and every id that the vocabulary calls special `[t]`.
    pub special: Vec<bool>,
    /// Whether each token begins a word; true on the first of the text even where a word was cut `[t]`.
    pub word_starts: Vec<bool>,
    /// Number of the document.
    pub document: u64,
    /// Place of the first text token in its document.
    pub offset: u64,
}

/// The samples of some shards by number; a sample is read when it is asked for, from any thread.
pub struct Samples {
    shards: Arc<Shards>,
    vocabulary: Vocabulary,
    begin: Option<u32>,
    end: Option<u32>,
    /// Most text tokens of a sample.
    body: usize,
    /// Document and offset of each sample.
    index: Vec<(u32, u32)>,
    dropped: usize,
    dropped_tokens: u64,
}

impl Samples {
    /// Cuts each document, from its start, into samples of `length` and a last shorter one.
    ///
    /// # Errors
    /// A length without room for text, a minimum above the length, not one sample left, or shards beyond 2³² documents or
    /// a document beyond 2³² tokens.
    pub fn new(shards: Arc<Shards>, vocabulary: &Vocabulary, settings: SampleSettings) -> Result<Self> {
        let SampleSettings { length, add_special, minimum } = settings;
        let [begin, end] = [vocabulary.begin, vocabulary.end].map(|id| id.filter(|_| add_special));
        let added = usize::from(begin.is_some()) + usize::from(end.is_some());
        let wrong = |setting, value, reason: String| Err(Error::Samples { setting, value, reason });
        let Some(body) = length.checked_sub(added).filter(|body| *body > 0) else {
            return wrong("length", length, format!("{added} special tokens leave no room for text: raise it"));
        };
        if minimum > length {
            return wrong("minimum", minimum, format!("no sample is longer than `length`, {length}: lower it"));
        }
        let (mut index, mut dropped, mut dropped_tokens) = (Vec::new(), 0, 0);
        for (document, tokens) in shards.lengths().enumerate() {
            let (Ok(document), Ok(_)) = (u32::try_from(document), u32::try_from(tokens)) else {
                return wrong(
                    "length",
                    length,
                    "more than 2^32 documents, or tokens in one: divide the data".to_owned(),
                );
            };
            for offset in (0..tokens).step_by(body) {
                let text = body.min(tokens - offset);
                if text + added < minimum {
                    dropped += 1;
                    dropped_tokens += text as u64;
                } else {
                    index.push((document, offset as u32));
                }
            }
        }
        if index.is_empty() {
            return wrong("minimum", minimum, format!("all {dropped} pieces of the text are shorter: lower it"));
        }
        Ok(Self { shards, vocabulary: vocabulary.clone(), begin, end, body, index, dropped, dropped_tokens })
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no sample; never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Samples left out because they were shorter than the minimum.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Text tokens in the samples left out.
    #[must_use]
    pub fn dropped_tokens(&self) -> u64 {
        self.dropped_tokens
    }

    /// Number of tokens of sample `sample`, special ones included.
    ///
    /// # Panics
    /// `sample >= len()`.
    #[must_use]
    pub fn length(&self, sample: usize) -> usize {
        let (document, offset) = self.index[sample];
        let text = (self.shards.length(document as usize) - offset as usize).min(self.body);
        text + usize::from(self.begin.is_some()) + usize::from(self.end.is_some())
    }

    /// What random draws for sample `sample` are keyed by: 2³² · document + offset, whatever the order of the epoch.
    ///
    /// # Panics
    /// `sample >= len()`.
    #[must_use]
    pub fn id(&self, sample: usize) -> u64 {
        let (document, offset) = self.index[sample];
        u64::from(document) << 32 | u64::from(offset)
    }

    /// Reads sample `sample`.
    ///
    /// # Panics
    /// `sample >= len()`.
    #[must_use]
    pub fn get(&self, sample: usize) -> Sample {
        let (document, offset) = self.index[sample];
        let text = self.shards.part(document as usize, offset as usize..offset as usize + self.body);
        let length = text.ids.len() + 2;
        let (mut ids, mut word_starts) = (Vec::with_capacity(length), Vec::with_capacity(length));
        ids.extend(self.begin);
        word_starts.extend(self.begin.map(|_| true));
        let first = ids.len();
        ids.extend(text.ids);
        word_starts.extend(text.word_starts);
        if let Some(start) = word_starts.get_mut(first) {
            *start = true;
        }
        ids.extend(self.end);
        word_starts.extend(self.end.map(|_| true));
        let special = ids.iter().map(|id| self.vocabulary.is_special(*id)).collect();
        Sample { ids, special, word_starts, document: u64::from(document), offset: u64::from(offset) }
    }

    /// The shards that the samples are cut from.
    #[must_use]
    pub fn shards(&self) -> &Shards {
        &self.shards
    }
}
