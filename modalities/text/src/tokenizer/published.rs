//! Tokenizers of published folders: `tokenizer.json`, or the older files that one can be made from.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::roles::Roles;
use crate::{Error, Result};

impl Tokenizer {
    /// The tokenizer of a folder: its `tokenizer.json`; else `vocab.txt` (WordPiece, as BERT) or `vocab.json` with `merges.txt` (BPE
    /// of bytes, as GPT-2 and RoBERTa). Roles of special tokens are those of `tokenizer_config.json` and
    /// `special_tokens_map.json`. `None` where the folder has no tokenizer at all.
    ///
    /// # Errors
    /// A damaged file, or one of a kind that no tokenizer can be made from, naming what is missing.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>> {
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        if let Some(path) = file("tokenizer.json") {
            return Self::from_file(path).map(Some);
        }
        let roles = Roles::in_folder(folder)?.unwrap_or_default();
        let (path, json) = if let Some(path) = file("vocab.txt") {
            let lower = Roles::setting(folder, "do_lower_case")?.and_then(|value| value.as_bool()).unwrap_or(true);
            let json = word_piece(&path, &roles, lower)?;
            (path, json)
        } else if let (Some(vocabulary), Some(merges)) = (file("vocab.json"), file("merges.txt")) {
            let json = byte_pairs(&vocabulary, &merges, &roles)?;
            (vocabulary, json)
        } else {
            let others = ["spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "spm.model", "vocab.json"];
            let Some(found) = others.into_iter().find_map(file) else { return Ok(None) };
            let reason = "no tokenizer.json beside it, and none can be made from it alone; write one: \
                          AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
                .to_owned();
            return Err(Error::Tokenizer { path: Some(found), reason });
        };
        let mut tokenizer = Self::from_json(json.to_string().as_bytes()).map_err(|error| match error {
            Error::Tokenizer { reason, .. } => Error::Tokenizer { path: Some(path), reason },
            other => other,
        })?;
        tokenizer.set_roles(roles);
        Ok(Some(tokenizer))
    }
}

fn damaged(path: &Path, reason: impl Into<String>) -> Error {
    Error::Tokenizer { path: Some(path.into()), reason: reason.into() }
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        damaged(path, format!("line {line} is not UTF-8"))
    })
}

/// Special tokens of the vocabulary as the library lists them.
fn added(roles: &Roles, id: impl Fn(&str) -> Option<u64>, usual: &[&str]) -> Value {
    let names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token"];
    let mut found: Vec<(u64, String)> = names
        .iter()
        .filter_map(|name| roles.token(name))
        .chain(usual.iter().copied())
        .filter_map(|token| Some((id(token)?, token.to_owned())))
        .collect();
    found.sort();
    found.dedup();
    let row = |(id, content): (u64, String)| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": content == "<mask>", "rstrip": false,
            "normalized": false, "special": true
        })
    };
    found.into_iter().map(row).collect()
}

/// BERT's: Devlin et al. 2018, arXiv:1810.04805.
fn word_piece(path: &Path, roles: &Roles, lower: bool) -> Result<Value> {
    let text = read(path)?;
    let mut vocabulary = Map::new();
    for (id, token) in text.lines().enumerate() {
        vocabulary.insert(token.trim_end_matches('\r').to_owned(), json!(id));
    }
    if vocabulary.is_empty() {
        return Err(damaged(path, "it has no tokens"));
    }
    let id = |token: &str| vocabulary.get(token).and_then(Value::as_u64);
    let token = |role: &str, usual: &'static str| roles.token(role).unwrap_or(usual).to_owned();
    let (class, end, unknown) = (token("cls_token", "[CLS]"), token("sep_token", "[SEP]"), token("unk_token", "[UNK]"));
    let (Some(class_id), Some(end_id), Some(_)) = (id(&class), id(&end), id(&unknown)) else {
        return Err(damaged(path, format!("it lacks one of `{class}`, `{end}` and `{unknown}`")));
    };
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(roles, id, &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": lower
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "BertProcessing", "sep": [end, end_id], "cls": [class, class_id]
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary
        }
    }))
}

/// GPT-2's (Radford et al. 2019) and, where a class token is named, RoBERTa's.
fn byte_pairs(path: &Path, merges_path: &Path, roles: &Roles) -> Result<Value> {
    let vocabulary: Map<String, Value> =
        serde_json::from_str(&read(path)?).map_err(|error| damaged(path, error.to_string()))?;
    let id = |token: &str| vocabulary.get(token).and_then(Value::as_u64);
    let text = read(merges_path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"));
    let merges = lines
        .map(|(number, line)| match line.split(' ').collect::<Vec<_>>().as_slice() {
            [left, right] => Ok(json!([left, right])),
            _ => Err(damaged(merges_path, format!("line {} is no pair of tokens", number + 1))),
        })
        .collect::<Result<Vec<_>>>()?;
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    let processor = match (roles.token("cls_token"), roles.token("sep_token")) {
        (Some(class), Some(end)) => {
            let (Some(class_id), Some(end_id)) = (id(class), id(end)) else {
                return Err(damaged(path, format!("it lacks `{class}` or `{end}`")));
            };
            json!({
                "type": "RobertaProcessing", "sep": [end, end_id], "cls": [class, class_id], "trim_offsets": true,
                "add_prefix_space": false
            })
        }
        _ => level.clone(),
    };
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added(roles, id, &["<|endoftext|>"]),
        "normalizer": null, "pre_tokenizer": level, "post_processor": processor, "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": merges
        }
    }))
}
