//! The tokens of an imported model: its tokenizer, held against its configuration and its weights.

use modality_text::Tokenizer;
use serde_json::Value as Json;

use super::files::HfFolder;
use crate::error::{Error, Result};
use crate::models::Vocabulary;

/// The tokenizer of a folder, if it has one, and the vocabulary of its model.
///
/// # Errors
/// When the tokenizer is damaged or has more tokens than the model, or the configuration has no `vocab_size`.
pub(super) fn tokens(folder: &HfFolder) -> Result<(Option<Tokenizer>, Vocabulary)> {
    let config = &folder.config;
    let place = folder.path.join("config.json");
    let size = config.get("vocab_size").and_then(Json::as_u64).and_then(|size| u32::try_from(size).ok());
    let size = size.filter(|size| *size > 0).ok_or_else(|| {
        Error::new("data/config", format!("`{}` has no `vocab_size`", place.display()))
            .with_help("models of text are imported; this one names no size of its vocabulary")
    })?;
    let tokenizer = Tokenizer::of_folder(&folder.path)?;
    let id = |keys: &[&str]| {
        let number = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id < size);
        // A list of end tokens: the first.
        let first =
            |value: &Json| value.as_array().and_then(|ids| ids.first().cloned()).unwrap_or_else(|| value.clone());
        keys.iter().find_map(|key| number(&first(config.get(*key)?)))
    };
    let mut vocabulary = Vocabulary {
        size,
        tokens: None,
        pad: id(&["pad_token_id"]),
        begin: id(&["cls_token_id", "bos_token_id"]),
        end: id(&["sep_token_id", "eos_token_id"]),
        mask: id(&["mask_token_id"]),
        unknown: None,
        special: Vec::new(),
    };
    if let Some(tokenizer) = &tokenizer {
        let own = tokenizer.vocabulary();
        if own.size > size {
            let text = format!(
                "the tokenizer in `{}` has {} tokens, the weights have rows for {size} (`vocab_size` in config.json)",
                folder.path.display(),
                own.size
            );
            return Err(Error::new("data/tokenizer", text)
                .with_help("tokenizer and weights must be of one model; nothing was written"));
        }
        vocabulary.tokens = Some(own.size);
        vocabulary.pad = own.pad.or(vocabulary.pad);
        // What the tokenizer does not put around a text is nothing that begins or ends it.
        vocabulary.begin = own.begin;
        vocabulary.end = own.end;
        vocabulary.mask = own.mask.or(vocabulary.mask);
        vocabulary.unknown = own.unknown;
        vocabulary.special.clone_from(&own.special);
    }
    let known = [vocabulary.pad, vocabulary.begin, vocabulary.end, vocabulary.mask, vocabulary.unknown];
    vocabulary.special.extend(known.into_iter().flatten());
    vocabulary.special.sort_unstable();
    vocabulary.special.dedup();
    Ok((tokenizer, vocabulary))
}
