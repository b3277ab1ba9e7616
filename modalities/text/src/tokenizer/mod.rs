//! Text to token ids and back.
//!
//! One representation for all: what a `tokenizer.json` of the Hugging Face `tokenizers` library says. The byte level is
//! such a file too (any other program can read it) but runs on code of its own, some forty times as fast.

mod bytes;
mod published;
mod roles;
mod train;
mod unigram;
mod vocabulary;

use std::ops::Range;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use tokenizers::{AddedToken, DecoderWrapper};

pub use train::TokenizerKind;
pub use vocabulary::Vocabulary;

use crate::{Error, Result};
use roles::Roles;

/// Token ids of a text, with the places where words begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Ids, each below the vocabulary's size.
    pub ids: Vec<u32>,
    /// Whether each token is the first of a word; as long as `ids`. Special tokens are words of their own.
    pub word_starts: Vec<bool>,
}

/// A tokenizer; immutable, shared freely between threads.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    is_bytes: bool,
    vocabulary: Vocabulary,
    /// Roles of tokens that files beside it gave.
    roles: Option<Roles>,
    /// The compact JSON text, made when it is first asked for.
    json: OnceLock<Vec<u8>>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; a `tokenizer_config.json` beside it says which tokens begin, end, fill and mask.
    ///
    /// # Errors
    /// The file cannot be read, or holds no tokenizer.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(Error::io("read", path))?;
        let mut tokenizer = Self::from_json(&json).map_err(|error| match error {
            Error::Tokenizer { reason, .. } => Error::Tokenizer { path: Some(path.to_owned()), reason },
            other => other,
        })?;
        if let Some(roles) = Roles::beside(path)? {
            tokenizer.set_roles(roles);
        }
        Ok(tokenizer)
    }

    fn set_roles(&mut self, roles: Roles) {
        let inner = &self.inner;
        roles.apply(&mut self.vocabulary, |token| inner.token_to_id(token));
        self.roles = Some(roles);
    }

    /// A tokenizer from the text of a `tokenizer.json`. Truncation and padding that it asks for are left out: samples are
    /// cut, and rows filled, elsewhere.
    ///
    /// # Errors
    /// The text is no tokenizer of the `tokenizers` library.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::Tokenizer {
            path: None,
            reason: format!("{reason}; a `tokenizer.json` of the Hugging Face `tokenizers` library is needed"),
        };
        // The library panics on parts that it does not know and on JSON that is cut off.
        serde_json::from_slice::<serde::de::IgnoredAny>(json).map_err(|error| wrong(error.to_string()))?;
        let inner = catch_unwind(|| tokenizers::Tokenizer::from_bytes(json))
            .map_err(|_| wrong("one of its parts is of no known kind".to_owned()))?
            .map_err(|error| wrong(error.to_string()))?;
        Self::new(inner)
    }

    /// The byte level: ids 0 to 255 are the bytes of UTF-8, 256 is `[PAD]`, 257 `[CLS]`, 258 `[SEP]`, 259 `[MASK]`.
    ///
    /// There is no unknown token, since every text is made of bytes. A word begins where white space ends.
    #[must_use]
    pub fn bytes() -> Self {
        let built = tokenizers::Tokenizer::from_bytes(bytes::json()).ok().and_then(|inner| Self::new(inner).ok());
        built.expect("the byte level is well-formed: its test builds it")
    }

    fn new(mut inner: tokenizers::Tokenizer) -> Result<Self> {
        let failed = |error| Error::Tokenizer { path: None, reason: format!("{error}") };
        inner.with_truncation(None).map_err(failed)?;
        inner.with_padding(None);
        let vocabulary = Vocabulary::of(&inner)?;
        let mut tokenizer = Self { inner, is_bytes: false, vocabulary, roles: None, json: OnceLock::new() };
        tokenizer.is_bytes = tokenizer.vocabulary.size == bytes::SIZE && tokenizer.to_json()? == bytes::canonical();
        Ok(tokenizer)
    }

    /// The same tokenizer with at least `count` sentinels, `<extra_id_0>` and on, each a special token; those that it lacks
    /// get ids past the others.
    ///
    /// # Errors
    /// The tokenizer cannot be written as JSON.
    pub fn with_sentinels(self, count: usize) -> Result<Self> {
        let have = self.vocabulary.sentinels.len();
        if have >= count {
            return Ok(self);
        }
        let mut inner = self.inner;
        let missing: Vec<_> =
            (have..count).map(|number| AddedToken::from(vocabulary::sentinel(number), true)).collect();
        inner
            .add_special_tokens(missing)
            .map_err(|error| Error::Tokenizer { path: None, reason: error.to_string() })?;
        Self::new(inner)
    }

    /// The compact JSON text, which [`Tokenizer::from_json`] reads; equal tokenizers give equal bytes.
    ///
    /// # Errors
    /// The tokenizer cannot be written as JSON.
    pub fn to_json(&self) -> Result<&[u8]> {
        if let Some(json) = self.json.get() {
            return Ok(json);
        }
        let json = self.inner.to_string(false).map_err(|error| self.failed(&*error))?;
        Ok(self.json.get_or_init(|| json.into_bytes()))
    }

    /// Writes `tokenizer.json`: the whole file or none of it; and beside it `tokenizer_config.json` where roles of tokens came from
    /// such a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.partial-{}", std::process::id()));
        if let (Some(roles), Some(folder)) = (&self.roles, path.parent()) {
            let config = folder.join("tokenizer_config.json");
            std::fs::write(&config, roles.to_json().to_string()).map_err(Error::io("write", &config))?;
        }
        let written = std::fs::write(&partial, self.to_json()?).and_then(|()| std::fs::rename(&partial, path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&partial);
            Error::io("write", path)(error)
        })
    }

    /// BLAKE3 of [`Tokenizer::to_json`], and of the roles of tokens where files beside it gave some; 64 hexadecimal digits.
    ///
    /// # Errors
    /// Those of [`Tokenizer::to_json`].
    pub fn hash(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.to_json()?);
        if let Some(roles) = &self.roles {
            hasher.update(roles.to_json().to_string().as_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Ids of `text` without added special tokens. A special token written out in the text (`[MASK]`) becomes its id.
    ///
    /// # Errors
    /// The tokenizer has no token for some of the text, not even an unknown one.
    pub fn encode(&self, text: &str) -> Result<Encoding> {
        if self.is_bytes {
            return Ok(bytes::encode(text));
        }
        let encoding = self.inner.encode(text, false).map_err(|error| self.failed(&*error))?;
        Ok(of_library(&encoding))
    }

    /// [`Tokenizer::encode`], and for each token the bytes of `text` that it stands for.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_with_offsets(&self, text: &str) -> Result<(Encoding, Vec<Range<usize>>)> {
        if self.is_bytes {
            let encoding = bytes::encode(text);
            let offsets = bytes::offsets(&encoding.ids);
            return Ok((encoding, offsets));
        }
        let encoding = self.inner.encode(text, false).map_err(|error| self.failed(&*error))?;
        let offsets = encoding.get_offsets().iter().map(|(start, end)| *start..*end).collect();
        Ok((of_library(&encoding), offsets))
    }

    /// [`Tokenizer::encode`] of several texts, on all processors, in their order.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn encode_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Encoding>> {
        texts.par_iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// Ids of `text` with the special tokens that the tokenizer's own template adds.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.inner.encode(text, true).map_err(|error| self.failed(&*error))?.get_ids().to_vec())
    }

    /// The text of `ids`, with or without the text of special tokens. Ids beyond the vocabulary give nothing; bytes that
    /// are no UTF-8 give U+FFFD.
    ///
    /// # Errors
    /// The tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if self.is_bytes {
            return Ok(bytes::decode(ids, skip_special));
        }
        let text = self.inner.decode(ids, skip_special).map_err(|error| self.failed(&*error))?;
        // The library closes up `, .` token by token and so misses what takes two, as in `don ' t`.
        Ok(match self.inner.get_decoder() {
            Some(DecoderWrapper::WordPiece(decoder)) if decoder.cleanup => closed_up(&text),
            _ => text,
        })
    }

    /// The token with this id, as the tokenizer writes it (`##ing`, `Ġthe`).
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token, written as the tokenizer writes it.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Size of the vocabulary and the ids with a meaning of their own.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn failed(&self, error: &(dyn std::error::Error + Send + Sync)) -> Error {
        Error::Tokenizer { path: None, reason: error.to_string() }
    }
}

fn of_library(encoding: &tokenizers::Encoding) -> Encoding {
    let words = encoding.get_word_ids();
    let word_starts = (0..words.len()).map(|t| t == 0 || words[t].is_none() || words[t] != words[t - 1]).collect();
    Encoding { ids: encoding.get_ids().to_vec(), word_starts }
}

/// English text with the spaces around punctuation that WordPiece cannot tell apart removed, as BERT's own program does,
/// but without its rewriting of `do not`.
fn closed_up(text: &str) -> String {
    [" .", " ?", " !", " ,", " n't", " 'm", " 's", " 've", " 're"]
        .iter()
        .fold(text.replace(" ' ", "'"), |text, spaced| text.replace(spaced, &spaced[1..]))
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokenizer").field("vocabulary", &self.vocabulary).finish_non_exhaustive()
    }
}
