//! Vocabularies: how many tokens there are and which are special.

use serde_json::Value;

use crate::error::{Error, Result};

/// The vocabulary of a modality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    modality: String,
    size: usize,
    pad: Option<u32>,
    begin: Option<u32>,
    end: Option<u32>,
    mask: Option<u32>,
    unknown: Option<u32>,
    sentinels: Vec<u32>,
    special: Vec<u32>,
}

impl Vocabulary {
    pub(crate) fn from_json(modality: &str, json: &str) -> Result<Self> {
        let odd = |what: &str| {
            Error::new("host/vocabulary", format!("the host's description of the vocabulary `{modality}` {what}"))
        };
        let value: Value = serde_json::from_str(json).map_err(|error| odd(&format!("is not JSON: {error}")))?;
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let token = |name: &str| value.get(name).and_then(id);
        let size = value.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
        let tokens =
            |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(id).collect();
        let mut special: Vec<u32> = tokens("special");
        special.sort_unstable();
        Ok(Self {
            modality: modality.to_owned(),
            size: size.ok_or_else(|| odd("has no size"))?,
            pad: token("pad"),
            begin: token("begin"),
            end: token("end"),
            mask: token("mask"),
            unknown: token("unknown"),
            sentinels: tokens("sentinels"),
            special,
        })
    }

    /// The number of tokens, special ones included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The ids of all special tokens, ascending.
    #[must_use]
    pub fn special(&self) -> &[u32] {
        &self.special
    }

    /// The ids of the tokens that stand for gaps of any length, in their order.
    ///
    /// # Errors
    /// When there are fewer than `needed`.
    pub fn sentinels(&self, needed: usize) -> Result<&[u32]> {
        if self.sentinels.len() >= needed {
            return Ok(&self.sentinels);
        }
        let fact = format!(
            "the vocabulary `{}` has {} sentinels, and {needed} are needed",
            self.modality,
            self.sentinels.len()
        );
        Err(Error::new("plugin/vocabulary", fact)
            .without_place()
            .help(format!("set `sentinels = {needed}` in [data.{}]", self.modality)))
    }

    /// Whether a token is special.
    #[must_use]
    pub fn is_special(&self, id: u32) -> bool {
        self.special.binary_search(&id).is_ok()
    }

    /// The id of the token shown in place of a hidden one.
    ///
    /// # Errors
    /// When the vocabulary has none.
    pub fn mask_token(&self) -> Result<u32> {
        self.needed(self.mask, "mask")
    }

    /// The id of padding.
    ///
    /// # Errors
    /// When the vocabulary has none.
    pub fn pad_token(&self) -> Result<u32> {
        self.needed(self.pad, "padding")
    }

    /// The id of the token that begins a sequence.
    ///
    /// # Errors
    /// When the vocabulary has none.
    pub fn begin_token(&self) -> Result<u32> {
        self.needed(self.begin, "begin")
    }

    /// The id of the token that ends a sequence.
    ///
    /// # Errors
    /// When the vocabulary has none.
    pub fn end_token(&self) -> Result<u32> {
        self.needed(self.end, "end")
    }

    /// The id of the token for what is unknown.
    ///
    /// # Errors
    /// When the vocabulary has none.
    pub fn unknown_token(&self) -> Result<u32> {
        self.needed(self.unknown, "unknown")
    }

    fn needed(&self, id: Option<u32>, what: &str) -> Result<u32> {
        id.ok_or_else(|| {
            Error::new("plugin/vocabulary", format!("the vocabulary `{}` has no {what} token", self.modality))
                .without_place()
                .help("choose another tokenizer, or add the token to this one")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_what_the_host_writes() {
        let json =
            r#"{"size":261,"pad":256,"begin":257,"end":258,"mask":259,"unknown":null,"special":[259,256,257,258]}"#;
        let vocabulary = Vocabulary::from_json("text", json).unwrap();
        assert_eq!((vocabulary.size(), vocabulary.mask_token().unwrap()), (261, 259));
        assert!(vocabulary.is_special(256) && !vocabulary.is_special(65));
        let error = vocabulary.unknown_token().unwrap_err();
        assert_eq!(error.text(), "the vocabulary `text` has no unknown token");
        assert!(Vocabulary::from_json("text", "{}").unwrap_err().text().ends_with("has no size"));
    }
}
