//! Which tokens have which role, as the folder of a published tokenizer says it.
//!
//! `tokenizer.json` alone does not tell: `<s>` may begin a text, be its class token, or neither. `tokenizer_config.json` and the
//! older `special_tokens_map.json` do.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Vocabulary;
use crate::{Error, Result};

const CONFIG: &str = "tokenizer_config.json";
const MAP: &str = "special_tokens_map.json";
/// Their names of the roles, in the order in which each is looked for.
const NAMES: [&str; 7] = ["pad_token", "cls_token", "bos_token", "sep_token", "eos_token", "mask_token", "unk_token"];

/// Roles of tokens by name: null where a role is explicitly nobody's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Roles(Map<String, Value>);

impl Roles {
    /// What the files beside `tokenizer_json` say; none where it is not called so or they say nothing.
    pub(super) fn beside(tokenizer_json: &Path) -> Result<Option<Self>> {
        match (tokenizer_json.file_name(), tokenizer_json.parent()) {
            (Some(name), Some(folder)) if name == "tokenizer.json" => Self::in_folder(folder),
            _ => Ok(None),
        }
    }

    /// What the files of a folder say.
    pub(super) fn in_folder(folder: &Path) -> Result<Option<Self>> {
        let mut roles = Map::new();
        for name in [MAP, CONFIG] {
            let said = object(&folder.join(name))?;
            for key in NAMES {
                if let Some(token) = said.get(key) {
                    // A token is its text, or an object around it.
                    let text = token.get("content").unwrap_or(token);
                    roles.insert(key.to_owned(), text.as_str().map_or(Value::Null, Value::from));
                }
            }
        }
        Ok((!roles.is_empty()).then_some(Self(roles)))
    }

    /// The text of a role's token.
    pub(super) fn token(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Puts the ids of the roles into a vocabulary; what the files do not mention stays.
    pub(super) fn apply(&self, vocabulary: &mut Vocabulary, id: impl Fn(&str) -> Option<u32>) {
        let set = |place: &mut Option<u32>, names: &[&str]| {
            let said: Vec<&Value> = names.iter().filter_map(|name| self.0.get(*name)).collect();
            if !said.is_empty() {
                *place = said.iter().find_map(|token| id(token.as_str()?));
            }
        };
        set(&mut vocabulary.pad, &["pad_token"]);
        set(&mut vocabulary.begin, &["cls_token", "bos_token"]);
        set(&mut vocabulary.end, &["sep_token", "eos_token"]);
        set(&mut vocabulary.mask, &["mask_token"]);
        set(&mut vocabulary.unknown, &["unk_token"]);
        let known = [vocabulary.pad, vocabulary.begin, vocabulary.end, vocabulary.mask, vocabulary.unknown];
        vocabulary.special.extend(known.into_iter().flatten());
        vocabulary.special.sort_unstable();
        vocabulary.special.dedup();
    }

    /// As a `tokenizer_config.json` says it.
    pub(super) fn to_json(&self) -> Value {
        let mut config = self.0.clone();
        config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
        Value::Object(config)
    }

    /// A key of the folder's `tokenizer_config.json`.
    pub(super) fn setting(folder: &Path, key: &str) -> Result<Option<Value>> {
        Ok(object(&folder.join(CONFIG))?.remove(key))
    }
}

/// The object in a file; empty where there is no file.
fn object(path: &Path) -> Result<Map<String, Value>> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Tokenizer { path: Some(path.into()), reason: error.to_string() })
}
