//! A Hugging Face folder on disk: its `config.json`, its weights in one file or in shards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use records::{Dtype, TensorBytes, TensorFile};
use serde_json::Value as Json;

use crate::error::{Error, Result};

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Weights that only Python can read.
const PICKLED: [&str; 3] = ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.ckpt.index"];

/// A folder that was opened: nothing but headers is read yet.
pub struct HfFolder {
    /// Where it is.
    pub path: PathBuf,
    /// `config.json`.
    pub config: Json,
    files: Vec<(String, TensorFile)>,
    /// Key to the number of its file.
    keys: BTreeMap<String, usize>,
}

impl HfFolder {
    /// Opens a folder: reads `config.json` and the headers of all weight files.
    ///
    /// # Errors
    /// When a file is missing, damaged, or the index and the shards disagree; the text names file and key.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(Error::new("data/folder", format!("`{}` is no folder", path.display()))
                .with_help("give the folder that holds `config.json` and `model.safetensors`"));
        }
        let config = config(path)?;
        let (files, keys) = if path.join(SINGLE).is_file() {
            let file = open(path, SINGLE)?;
            let keys = file.names().into_iter().map(|key| (key, 0)).collect();
            (vec![(SINGLE.to_owned(), file)], keys)
        } else if path.join(INDEX).is_file() {
            shards(path)?
        } else {
            return Err(no_weights(path));
        };
        Ok(Self { path: path.to_path_buf(), config, files, keys })
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// The file of a key.
    #[must_use]
    pub fn file_of(&self, key: &str) -> &str {
        self.keys.get(key).map_or(SINGLE, |number| &self.files[*number].0)
    }

    /// Type, shape and bytes of a key, without a copy.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn view(&self, key: &str) -> Result<(Dtype, &[usize], &[u8])> {
        let number = self.keys.get(key).copied().unwrap_or(0);
        Ok(self.files[number].1.view(key)?)
    }

    /// A tensor, copied out.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn tensor(&self, key: &str) -> Result<TensorBytes> {
        let number = self.keys.get(key).copied().unwrap_or(0);
        Ok(self.files[number].1.tensor(key)?)
    }
}

fn config(folder: &Path) -> Result<Json> {
    let path = folder.join(CONFIG);
    let text = std::fs::read(&path).map_err(|error| {
        Error::new("data/config", format!("cannot read `{}`: {error}", path.display()))
            .with_help("a Hugging Face folder holds `config.json` and `model.safetensors`")
    })?;
    let config: Json = serde_json::from_slice(&text).map_err(|error| {
        Error::new("data/config", format!("`{}` is not JSON: {error}", path.display()))
            .at(path.display().to_string(), error.line() as u32)
    })?;
    if config.is_object() {
        return Ok(config);
    }
    Err(Error::new("data/config", format!("`{}` holds no object", path.display())))
}

fn open(folder: &Path, name: &str) -> Result<TensorFile> {
    TensorFile::open(&folder.join(name)).map_err(|error| {
        let mut error = Error::from(error);
        error.code = "data/weights".into();
        error.with_help("the file is not whole: download or save it again")
    })
}

fn no_weights(folder: &Path) -> Error {
    let text = format!("`{}` has neither `{SINGLE}` nor `{INDEX}`", folder.display());
    let error = Error::new("data/weights", text);
    if let Some(pickled) = PICKLED.iter().find(|name| folder.join(name).exists()) {
        return error.with_help(format!(
            "`{pickled}` holds pickled Python objects; write safetensors from it: \
             AutoModel.from_pretrained(…).save_pretrained(…)"
        ));
    }
    error.with_help("download the weights beside its config.json")
}

type Shards = (Vec<(String, TensorFile)>, BTreeMap<String, usize>);

/// The shards that the index names; each key in the shard that it says, and no other.
fn shards(folder: &Path) -> Result<Shards> {
    let path = folder.join(INDEX);
    let fault = |what: String| Error::new("data/weights", format!("`{}` {what}", path.display()));
    let text = std::fs::read(&path).map_err(|error| Error::file(&path, &error))?;
    let index: Json = serde_json::from_slice(&text).map_err(|error| fault(format!("is not JSON: {error}")))?;
    let map = index.get("weight_map").and_then(Json::as_object).ok_or_else(|| fault("has no `weight_map`".into()))?;
    let (mut files, mut keys): Shards = (Vec::new(), BTreeMap::new());
    for (key, name) in map {
        let name = name.as_str().ok_or_else(|| fault(format!("names no file for `{key}`")))?;
        if Path::new(name).components().count() != 1 || name.starts_with('.') {
            return Err(fault(format!("names `{name}`, which is no file of this folder, for `{key}`")));
        }
        let number = match files.iter().position(|(known, _)| known == name) {
            Some(number) => number,
            None => {
                if !folder.join(name).is_file() {
                    return Err(fault(format!("names the shard `{name}` (for `{key}`), which is missing"))
                        .with_help("download the shard beside the others"));
                }
                files.push((name.to_owned(), open(folder, name)?));
                files.len() - 1
            }
        };
        keys.insert(key.clone(), number);
    }
    for (number, (name, file)) in files.iter().enumerate() {
        let there = file.names();
        if let Some(key) = keys.iter().find(|(key, at)| **at == number && !there.contains(key)).map(|(key, _)| key) {
            return Err(fault(format!("says that `{name}` holds `{key}`, which it does not")));
        }
        if let Some(key) = there.iter().find(|key| keys.get(*key) != Some(&number)) {
            return Err(fault(format!("does not list `{key}`, which `{name}` holds")));
        }
    }
    Ok((files, keys))
}

/// A size such as `500MB`, `2GB`, `64KB` or plain bytes, as transformers counts: a KB is 1000 bytes, a KiB 1024.
///
/// # Errors
/// When it is none.
pub fn shard_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(format!("`{text}` is no size: write 500MB or 2GB")),
    };
    let number: u64 = digits.trim().parse().map_err(|_| format!("`{text}` is no size: write 500MB or 2GB"))?;
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(|| format!("`{text}` is no size of a file"))
}
