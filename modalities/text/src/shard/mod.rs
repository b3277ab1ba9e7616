//! Token shards: tokenised documents on disk, read by memory map.
//!
//! A folder holds
//! - `index.json`: counts, tokenizer hash, source files, and size and BLAKE3 hash of every file beside it; written last;
//! - `tokens-NNNNN.bin`: ids, little endian, two bytes each where the vocabulary fits, else four; documents lie whole;
//! - `words-NNNNN.bin`: one bit per token of that shard, lowest first, set where a word begins;
//! - `starts-NNNNN.bin`: two bits per token of that shard, lowest first: whether a sentence begins, whether a paragraph does;
//! - `documents.bin`: for each document the number of tokens before it, and their sum at the end; u64, little endian;
//! - `counts.bin`: how often each id occurs, for a unigram model; u64, little endian;
//! - `tokenizer.json`;
//!
//! and where the documents have labels, or are pairs,
//! - `tags-NNNNN.bin`: for each token of that shard one more than the number of its tag, 0 for none; u16, little endian;
//! - `labels.bin`: for each document the number of its class, or its score as f32; four bytes, little endian;
//! - `seconds.bin`: for each document the number of tokens of its first text; u32, little endian.
//!
//! Nothing in the folder depends on the machine, the number of threads or the time.

mod folder;
mod labels;
mod read;
mod structure;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use labels::{Labels, NO_TAG};
pub use read::Shards;
pub use structure::Starts;
pub use write::{Summary, prepare, source_file, write_labelled_shards, write_shards};

/// Version of the layout above; a folder of another one is made anew.
const FORMAT: u32 = 2;

const INDEX: &str = "index.json";
const DOCUMENTS: &str = "documents.bin";
const COUNTS: &str = "counts.bin";
const TOKENIZER: &str = "tokenizer.json";
const LABELS: &str = "labels.bin";
const SECONDS: &str = "seconds.bin";

fn tokens_name(shard: usize) -> String {
    format!("tokens-{shard:05}.bin")
}

fn words_name(shard: usize) -> String {
    format!("words-{shard:05}.bin")
}

fn starts_name(shard: usize) -> String {
    format!("starts-{shard:05}.bin")
}

fn tags_name(shard: usize) -> String {
    format!("tags-{shard:05}.bin")
}

/// A file that the tokens came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its name without the folder.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its BLAKE3 hash, hexadecimal.
    pub blake3: String,
}

/// The contents of `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Index {
    format: u32,
    /// Hash of everything that the tokens depend on: format, sources, settings, tokenizer.
    fingerprint: String,
    /// Hash of the tokenizer.
    tokenizer: String,
    vocabulary: u32,
    /// Bytes of one id: 2 or 4.
    token_bytes: u64,
    documents: u64,
    tokens: u64,
    /// The labels of the documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
    /// Whether each document is a pair of texts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pairs: bool,
    sources: Vec<SourceFile>,
    shards: Vec<ShardIndex>,
    /// Size and hash of each file of the folder but this one.
    files: BTreeMap<String, FileIndex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ShardIndex {
    documents: u64,
    tokens: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileIndex {
    bytes: u64,
    blake3: String,
}
