//! Training a tokenizer on documents: the same documents in any order give the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{
    AddedToken, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

use super::{Tokenizer, unigram};
use crate::{Error, Result};

/// Special tokens of every trained tokenizer, ids 0 to 4, as BERT orders them.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Most letters a vocabulary starts from, as in BERT; rarer ones become `[UNK]`.
const MOST_LETTERS: usize = 1000;

/// Documents whose words are counted at a time.
const CHUNK: usize = 4096;

/// A way to cut words into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerKind {
    /// Longest match first over pieces marked `##` inside a word, as BERT (Devlin et al. 2018); learned by pair merges.
    WordPiece,
    /// Merges of byte pairs, as GPT-2 (Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019). Covers any text.
    Bpe,
    /// The most probable cut under a unigram model, as T5 (Kudo 2018, arXiv:1804.10959).
    Unigram,
}

impl std::str::FromStr for TokenizerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "wordpiece" => Ok(Self::WordPiece),
            "bpe" => Ok(Self::Bpe),
            "unigram" => Ok(Self::Unigram),
            _ => Err(Error::UnknownName {
                what: "kind of tokenizer",
                name: name.to_owned(),
                known: "`wordpiece`, `bpe` or `unigram`",
            }),
        }
    }
}

impl Tokenizer {
    /// Trains a tokenizer of at most `vocabulary_size` tokens, `[PAD] [UNK] [CLS] [SEP] [MASK]` (ids 0 to 4) included.
    ///
    /// With `lowercase`, text is lower-cased first (WordPiece then drops accents too, as BERT). Little text gives fewer
    /// tokens than asked for: ask the vocabulary. The result depends on the words and their counts alone.
    ///
    /// # Errors
    /// A document that fails, no words at all, or a size too small for the letters (BPE: 261).
    pub fn train<S: AsRef<str> + Sync>(
        kind: TokenizerKind,
        vocabulary_size: u32,
        documents: impl IntoIterator<Item = Result<S>>,
        lowercase: bool,
    ) -> Result<Self> {
        let failed = |reason: String| Error::Training { vocabulary_size, reason };
        let least = if kind == TokenizerKind::Bpe { SPECIAL.len() + 256 } else { SPECIAL.len() + 16 };
        if (vocabulary_size as usize) < least {
            return Err(failed(format!("{kind:?} needs at least {least}")));
        }
        let pipeline = Pipeline::of(kind, lowercase);
        let mut words = pipeline.count(documents).map_err(|error| match error {
            Error::Training { reason, .. } => failed(reason),
            other => other,
        })?;
        if kind != TokenizerKind::Bpe {
            // A word with a letter left out would be `[UNK]` as a whole: nothing is to be learned from it.
            let letters = letters(&words, (vocabulary_size as usize / 4).min(MOST_LETTERS));
            words.retain(|word, _| word.chars().all(|letter| letters.contains(&letter)));
        }
        if words.is_empty() {
            return Err(failed("the documents hold no words".to_owned()));
        }
        let model = match kind {
            TokenizerKind::WordPiece => wordpiece(vocabulary_size, &words),
            TokenizerKind::Bpe => pair_merges(vocabulary_size, &words, None).map(ModelWrapper::from),
            TokenizerKind::Unigram => unigram_model(vocabulary_size, words),
        };
        let model = model.and_then(|model| serde_json::to_value(model).map_err(|error| error.to_string()));
        Self::from_json(pipeline.json(model.map_err(failed)?).to_string().as_bytes())
    }
}

/// What stands before and behind the model in a `tokenizer.json`.
struct Pipeline {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
}

impl Pipeline {
    fn of(kind: TokenizerKind, lowercase: bool) -> Self {
        let lower = if lowercase { json!({ "type": "Lowercase" }) } else { Value::Null };
        match kind {
            TokenizerKind::WordPiece => Self {
                normalizer: json!({
                    "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                    "lowercase": lowercase
                }),
                pre_tokenizer: json!({ "type": "BertPreTokenizer" }),
                decoder: json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
            },
            TokenizerKind::Bpe => {
                let level =
                    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
                Self { normalizer: lower, pre_tokenizer: level.clone(), decoder: level }
            }
            TokenizerKind::Unigram => {
                let space =
                    json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
                let unify = json!({ "type": "NFKC" });
                let steps = if lowercase { vec![unify, lower] } else { vec![unify] };
                Self {
                    normalizer: json!({ "type": "Sequence", "normalizers": steps }),
                    pre_tokenizer: json!({
                        "type": "Sequence", "pretokenizers": [{ "type": "WhitespaceSplit" }, space]
                    }),
                    decoder: space,
                }
            }
        }
    }

    /// The words of all documents, as the model will see them, with their counts.
    fn count<S: AsRef<str> + Sync>(
        &self,
        documents: impl IntoIterator<Item = Result<S>>,
    ) -> Result<BTreeMap<String, u64>> {
        let broken = |error: serde_json::Error| Error::Training { vocabulary_size: 0, reason: error.to_string() };
        let normalizer: Option<NormalizerWrapper> = serde_json::from_value(self.normalizer.clone()).map_err(broken)?;
        let splitter: PreTokenizerWrapper = serde_json::from_value(self.pre_tokenizer.clone()).map_err(broken)?;
        let count = |document: &S| -> std::result::Result<BTreeMap<String, u64>, String> {
            let mut text = NormalizedString::from(document.as_ref());
            if let Some(normalizer) = &normalizer {
                normalizer.normalize(&mut text).map_err(|error| error.to_string())?;
            }
            let mut text = PreTokenizedString::from(text);
            splitter.pre_tokenize(&mut text).map_err(|error| error.to_string())?;
            let mut counts = BTreeMap::new();
            for (word, _, _) in text.get_splits(OffsetReferential::Original, OffsetType::Byte) {
                *counts.entry(word.to_owned()).or_default() += 1;
            }
            Ok(counts)
        };
        let merge = |mut all: BTreeMap<String, u64>, more: BTreeMap<String, u64>| {
            for (word, count) in more {
                *all.entry(word).or_default() += count;
            }
            all
        };
        let mut counts = BTreeMap::new();
        let mut documents = documents.into_iter();
        loop {
            let chunk = documents.by_ref().take(CHUNK).collect::<Result<Vec<S>>>()?;
            if chunk.is_empty() {
                return Ok(counts);
            }
            let counted = chunk.par_iter().map(count).try_reduce(BTreeMap::new, |all, more| Ok(merge(all, more)));
            counts = merge(counts, counted.map_err(|reason| Error::Training { vocabulary_size: 0, reason })?);
        }
    }

    fn json(&self, model: Value) -> Value {
        let added: Vec<Value> = (0..)
            .zip(SPECIAL)
            .map(|(id, token): (u32, _)| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true
                })
            })
            .collect();
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": self.normalizer, "pre_tokenizer": self.pre_tokenizer, "post_processor": template(2, 3),
            "decoder": self.decoder, "model": model
        })
    }
}

/// BERT's template: `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]`.
pub(super) fn template(begin: u32, end: u32) -> Value {
    let special = |token: &str, segment: u32| json!({ "SpecialToken": { "id": token, "type_id": segment } });
    let text = |name: &str, segment: u32| json!({ "Sequence": { "id": name, "type_id": segment } });
    json!({
        "type": "TemplateProcessing",
        "single": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
        "pair": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1)],
        "special_tokens": {
            "[CLS]": { "id": "[CLS]", "ids": [begin], "tokens": ["[CLS]"] },
            "[SEP]": { "id": "[SEP]", "ids": [end], "tokens": ["[SEP]"] }
        }
    })
}

/// The `most` commonest letters, equally common ones by code point.
fn letters(words: &BTreeMap<String, u64>, most: usize) -> BTreeSet<char> {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in words {
        for letter in word.chars() {
            *counts.entry(letter).or_default() += count;
        }
    }
    let mut ordered: Vec<(char, u64)> = counts.into_iter().collect();
    ordered.sort_by_key(|(letter, count)| (std::cmp::Reverse(*count), *letter));
    ordered.into_iter().take(most).map(|(letter, _)| letter).collect()
}

fn wordpiece(vocabulary_size: u32, words: &BTreeMap<String, u64>) -> std::result::Result<ModelWrapper, String> {
    let merges = pair_merges(vocabulary_size, words, Some("##"))?;
    let mut model = WordPiece::from_bpe(&merges);
    model.unk_token = SPECIAL[1].to_owned();
    Ok(model.into())
}

/// Merges of the commonest pairs; with a prefix, pieces inside a word are their own (`##x`).
fn pair_merges(
    vocabulary_size: u32,
    words: &BTreeMap<String, u64>,
    prefix: Option<&str>,
) -> std::result::Result<BPE, String> {
    // The library numbers `##x` in the order of a hash table, and numbers decide between equally common pairs. Naming
    // them all beforehand, sorted, takes that away.
    let inside: BTreeSet<char> = words.keys().flat_map(|word| word.chars().skip(1)).collect();
    let inside = inside.into_iter().filter_map(|letter| prefix.map(|prefix| format!("{prefix}{letter}")));
    let named = SPECIAL.iter().map(|token| (*token).to_owned()).chain(inside);
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocabulary_size as usize)
        // Merges of pairs seen once are accidents of the text.
        .min_frequency(2)
        .special_tokens(named.map(|token| AddedToken::from(token, true)).collect());
    match prefix {
        Some(prefix) => trainer = trainer.continuing_subword_prefix(prefix.to_owned()),
        None => {
            trainer = trainer
                .initial_alphabet(tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect());
        }
    }
    let counts = words.iter().map(|(word, count)| (word.as_str().into(), *count)).collect();
    let mut model = BPE::default();
    trainer.build().do_train(&counts, &mut model).map_err(|error| error.to_string())?;
    Ok(model)
}

fn unigram_model(vocabulary_size: u32, words: BTreeMap<String, u64>) -> std::result::Result<ModelWrapper, String> {
    let words = words.into_iter().map(|(word, count)| (word, u32::try_from(count).unwrap_or(u32::MAX))).collect();
    let pieces = unigram::train(vocabulary_size, &SPECIAL, 1, words)?;
    Unigram::from(pieces, Some(1), false).map(ModelWrapper::from).map_err(|error| error.to_string())
}
