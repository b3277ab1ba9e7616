//! Documents cut into samples.

use std::sync::Arc;

use crate::{Encoding, Error, LabelKind, NO_TAG, Result, Shards, Vocabulary};

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

/// A piece of one document; of a pair both texts, each with the end token behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Token ids `[t]`.
    pub ids: Vec<u32>,
    /// Whether each token is no text: added begin and end, and every id that the vocabulary calls special `[t]`.
    pub special: Vec<bool>,
    /// Whether each token begins a word; true on the first of the text even where a word was cut `[t]`.
    pub word_starts: Vec<bool>,
    /// Whether each token begins a sentence; never in pairs and labelled documents `[t]`.
    pub sentence_starts: Vec<bool>,
    /// Whether each token begins a paragraph; as above `[t]`.
    pub paragraph_starts: Vec<bool>,
    /// Of a pair, 0 for the begin token and the first text with its end, 1 for the second; else empty `[t]`.
    pub types: Vec<u32>,
    /// Where documents are tagged, the number of each token's tag, [`NO_TAG`] for none; else empty `[t]`.
    pub tags: Vec<i64>,
    /// The number of its document's class.
    pub class: Option<u32>,
    /// The score of its document.
    pub score: Option<f32>,
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
    /// A document is one sample, what is too long left out: what a label is for cannot be divided.
    whole: bool,
    /// Document and offset of each sample.
    index: Vec<(u32, u32)>,
    dropped: usize,
    dropped_tokens: u64,
    shortened: usize,
}

impl Samples {
    /// Cuts each document, from its start, into samples of `length` and a last shorter one. Pairs, and documents with a class
    /// or a score, give one sample each: of one that is too long the end is left out, of pairs that of the longer text first.
    ///
    /// # Errors
    /// A length without room for text, a minimum above the length, not one sample left, or shards beyond 2³² documents or
    /// a document beyond 2³² tokens.
    pub fn new(shards: Arc<Shards>, vocabulary: &Vocabulary, settings: SampleSettings) -> Result<Self> {
        let SampleSettings { length, add_special, minimum } = settings;
        let [begin, end] = [vocabulary.begin, vocabulary.end].map(|id| id.filter(|_| add_special));
        let ends = if shards.is_pairs() { 2 } else { 1 };
        let added = usize::from(begin.is_some()) + ends * usize::from(end.is_some());
        let whole = shards.is_pairs() || shards.labels().is_some_and(|labels| labels.kind != LabelKind::Tags);
        let wrong = |setting, value, reason: String| Err(Error::Samples { setting, value, reason });
        let Some(body) = length.checked_sub(added).filter(|body| *body > 0) else {
            return wrong("length", length, format!("{added} special tokens leave no room for text: raise it"));
        };
        if minimum > length {
            return wrong("minimum", minimum, format!("no sample is longer than `length`, {length}: lower it"));
        }
        let (mut index, mut dropped, mut dropped_tokens, mut shortened) = (Vec::new(), 0, 0, 0);
        for (document, tokens) in shards.lengths().enumerate() {
            let (Ok(document), Ok(_)) = (u32::try_from(document), u32::try_from(tokens)) else {
                return wrong(
                    "length",
                    length,
                    "more than 2^32 documents, or tokens in one: divide the data".to_owned(),
                );
            };
            if whole {
                let kept = tokens.min(body);
                if kept + added < minimum {
                    dropped += 1;
                    dropped_tokens += tokens as u64;
                } else {
                    shortened += usize::from(kept < tokens);
                    dropped_tokens += (tokens - kept) as u64;
                    index.push((document, 0));
                }
                continue;
            }
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
        Ok(Self {
            shards,
            vocabulary: vocabulary.clone(),
            begin,
            end,
            body,
            whole,
            index,
            dropped,
            dropped_tokens,
            shortened,
        })
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

    /// Samples whose end was left out because they were too long.
    #[must_use]
    pub fn shortened(&self) -> usize {
        self.shortened
    }

    /// Text tokens in the samples left out, and in the ends left out.
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
        let ends = if self.shards.is_pairs() { 2 } else { 1 };
        text + usize::from(self.begin.is_some()) + ends * usize::from(self.end.is_some())
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
        let number = document as usize;
        let mut made = Made::new(self.length(sample));
        made.special(self.begin);
        if self.shards.is_pairs() {
            let (first, all) = (self.shards.first_length(number), self.shards.length(number));
            let (kept, second) = kept_of_pair(first, all - first, self.body);
            made.text(self.shards.part(number, 0..kept));
            made.special(self.end);
            let before = made.ids.len();
            made.text(self.shards.part(number, first..first + second));
            made.special(self.end);
            made.types = (0..made.ids.len()).map(|place| u32::from(place >= before)).collect();
        } else {
            let range = offset as usize..offset as usize + self.body;
            let before = made.ids.len();
            made.text(self.shards.part(number, range.clone()));
            made.special(self.end);
            let tags = self.shards.tags(number, range);
            if self.shards.labels().is_some_and(|labels| labels.kind == LabelKind::Tags) {
                made.tags = vec![NO_TAG; made.ids.len()];
                made.tags[before..before + tags.len()].copy_from_slice(&tags);
            }
        }
        let (mut sentence_starts, mut paragraph_starts) = (vec![false; made.ids.len()], vec![false; made.ids.len()]);
        if !self.shards.is_pairs() {
            let range = offset as usize..offset as usize + self.body;
            let first = usize::from(self.begin.is_some());
            for (place, starts) in self.shards.starts(number, range).into_iter().enumerate() {
                sentence_starts[first + place] = starts.sentence;
                paragraph_starts[first + place] = starts.paragraph;
            }
        }
        let special = made.ids.iter().map(|id| self.vocabulary.is_special(*id)).collect();
        Sample {
            ids: made.ids,
            special,
            word_starts: made.word_starts,
            sentence_starts,
            paragraph_starts,
            types: made.types,
            tags: made.tags,
            class: self.shards.class(number),
            score: self.shards.score(number),
            document: u64::from(document),
            offset: u64::from(offset),
        }
    }

    /// Whether a document is one sample, however long.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The shards that the samples are cut from.
    #[must_use]
    pub fn shards(&self) -> &Shards {
        &self.shards
    }
}

/// The columns of a sample in the making.
struct Made {
    ids: Vec<u32>,
    word_starts: Vec<bool>,
    types: Vec<u32>,
    tags: Vec<i64>,
}

impl Made {
    fn new(length: usize) -> Self {
        let (ids, word_starts) = (Vec::with_capacity(length), Vec::with_capacity(length));
        Self { ids, word_starts, types: Vec::new(), tags: Vec::new() }
    }

    fn special(&mut self, id: Option<u32>) {
        self.ids.extend(id);
        self.word_starts.extend(id.map(|_| true));
    }

    fn text(&mut self, text: Encoding) {
        let first = self.ids.len();
        self.ids.extend(text.ids);
        self.word_starts.extend(text.word_starts);
        if let Some(start) = self.word_starts.get_mut(first) {
            *start = true;
        }
    }
}

/// How many tokens stay of two texts when there is room for `body`: the longer one is cut, both where both are too long.
fn kept_of_pair(first: usize, second: usize, body: usize) -> (usize, usize) {
    if first + second <= body {
        return (first, second);
    }
    let half = body / 2;
    if first <= body - half {
        (first, body - first)
    } else if second <= half {
        (body - second, second)
    } else {
        (body - half, half)
    }
}

#[cfg(test)]
mod tests {
    use super::kept_of_pair;

    #[test]
    fn the_longer_text_of_a_pair_is_cut() {
        for (first, second, body, kept) in [
            (3, 4, 8, (3, 4)),
            (3, 9, 8, (3, 5)),
            (9, 3, 8, (5, 3)),
            (5, 9, 8, (4, 4)),
            (9, 9, 7, (4, 3)),
            (0, 9, 4, (0, 4)),
            (4, 9, 7, (4, 3)),
            (9, 4, 7, (4, 3)),
        ] {
            assert_eq!(kept_of_pair(first, second, body), kept, "{first} {second} {body}");
        }
    }
}
