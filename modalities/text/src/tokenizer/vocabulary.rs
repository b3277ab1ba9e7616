//! The size of a vocabulary and the ids with a meaning of their own.

use crate::{Error, Result};

/// Names under which published tokenizers know the same thing, the most telling first.
const PAD: &[&str] = &["[PAD]", "<pad>", "<|pad|>", "<|padding|>"];
const BEGIN: &[&str] = &["[CLS]", "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"];
const END: &[&str] = &["[SEP]", "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"];
const MASK: &[&str] = &["[MASK]", "<mask>", "<|mask|>"];
const UNKNOWN: &[&str] = &["[UNK]", "<unk>", "<|unk|>"];

/// What an objective needs to know of a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Number of ids: one more than the highest.
    pub size: u32,
    /// Fills what is no text.
    pub pad: Option<u32>,
    /// Begins a sample: `[CLS]`, `<s>`; GPT-2's `<|endoftext|>`.
    pub begin: Option<u32>,
    /// Ends a sample: `[SEP]`, `</s>`; GPT-2's `<|endoftext|>`.
    pub end: Option<u32>,
    /// Stands for a token to be predicted.
    pub mask: Option<u32>,
    /// Stands for text that no token covers.
    pub unknown: Option<u32>,
    /// Stand for gaps of any length, as in T5: the ids of `<extra_id_0>`, `<extra_id_1>`, ….
    pub sentinels: Vec<u32>,
    /// All ids that are no text: those above and whatever else the tokenizer marks so; ascending.
    pub special: Vec<u32>,
}

impl Vocabulary {
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Result<Self> {
        let Some(highest) = tokenizer.get_vocab(true).into_values().max() else {
            return Err(Error::Tokenizer { path: None, reason: "it has no tokens".to_owned() });
        };
        let size = highest.checked_add(1).ok_or_else(|| Error::Tokenizer {
            path: None,
            reason: format!("id {highest} is too high: ids end at {}", u32::MAX - 1),
        })?;
        let find = |names: &[&str]| names.iter().find_map(|name| tokenizer.token_to_id(name));
        let [pad, begin, end, mask, unknown] = [PAD, BEGIN, END, MASK, UNKNOWN].map(find);
        let added = tokenizer.get_added_tokens_decoder();
        let marked = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id);
        let mut special: Vec<u32> = marked.chain([pad, begin, end, mask, unknown].into_iter().flatten()).collect();
        special.sort_unstable();
        special.dedup();
        let sentinels = (0..).map_while(|number| tokenizer.token_to_id(&sentinel(number))).collect();
        Ok(Self { size, pad, begin, end, mask, unknown, sentinels, special })
    }

    /// Whether `id` is no text.
    #[must_use]
    pub fn is_special(&self, id: u32) -> bool {
        self.special.binary_search(&id).is_ok()
    }
}

/// How T5 writes the sentinel of a number.
pub(super) fn sentinel(number: usize) -> String {
    format!("<extra_id_{number}>")
}
