//! Documents to shards.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};

use super::folder::Build;
use super::labels::{Encoded, encode};
use super::{
    COUNTS, DOCUMENTS, FORMAT, FileIndex, INDEX, Index, LABELS, Labels, SECONDS, ShardIndex, Shards, SourceFile,
    TOKENIZER, starts_name, tags_name, tokens_name, words_name,
};
use crate::source::PARALLEL;
use crate::{Document, Error, LabelKind, Result, SourceSettings, Tokenizer, documents, source_files, split_members};

/// A shard is closed by the document that reaches this many tokens.
const SHARD_TOKENS: u64 = 1 << 28;

/// Bytes of text tokenised at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// What was prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of documents.
    pub documents: u64,
    /// Number of tokens.
    pub tokens: u64,
    /// Whether the folder was there already, made from the same files, settings and tokenizer.
    pub reused: bool,
    /// The files read.
    pub sources: Vec<SourceFile>,
}

/// Tokenises the documents of `files` into the folder `dir`, or finds it done.
///
/// The folder appears when it is whole; an interrupted run leaves none, and a folder of shards made from something else
/// is replaced. Of two processes that prepare the same folder one waits and uses what the other made. `progress` is told
/// the documents and tokens so far.
///
/// # Errors
/// Sources that cannot be read ([`documents`]), text the tokenizer cannot encode, a full disk, or a `dir` that holds
/// something else than shards.
pub fn prepare(
    files: &[PathBuf],
    settings: &SourceSettings,
    tokenizer: &Tokenizer,
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary> {
    let files = source_files(files, settings)?;
    let sources = files.iter().map(|file| source_file(file)).collect::<Result<Vec<_>>>()?;
    let what = format!("{settings:?}");
    write_shards(documents(&files, settings), sources, &what, tokenizer, dir, progress)
}

/// [`prepare`] for documents of any origin: `sources` and `what` must tell everything the documents depend on.
///
/// # Errors
/// As [`prepare`].
pub fn write_shards(
    documents: impl IntoIterator<Item = Result<Document>>,
    sources: Vec<SourceFile>,
    what: &str,
    tokenizer: &Tokenizer,
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary> {
    write_labelled_shards(documents, None, sources, what, tokenizer, dir, progress)
}

/// [`write_shards`] with the documents' labels; every document must have one of them.
///
/// # Errors
/// As [`prepare`]; a document without a label, or with one that is none of `labels`, by file and line.
pub fn write_labelled_shards(
    documents: impl IntoIterator<Item = Result<Document>>,
    labels: Option<&Labels>,
    sources: Vec<SourceFile>,
    what: &str,
    tokenizer: &Tokenizer,
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary> {
    let fingerprint = fingerprint(&sources, labels, what, tokenizer)?;
    let build = Build::begin(dir)?;
    if let Some((documents, tokens)) = reusable(dir, &fingerprint)? {
        progress(documents, tokens);
        return Ok(Summary { documents, tokens, reused: true, sources });
    }
    let mut writer = Writer::new(build.partial()?, tokenizer.vocabulary().size, labels.cloned())?;
    let mut chunk = Vec::new();
    let mut chunk_bytes = 0;
    for document in documents {
        let document = document?;
        chunk_bytes += document.text.len() + document.second.as_ref().map_or(0, String::len);
        chunk.push(document);
        if chunk_bytes >= CHUNK_BYTES {
            writer.write(&mut chunk, tokenizer, progress)?;
            chunk_bytes = 0;
        }
    }
    writer.write(&mut chunk, tokenizer, progress)?;
    let index = writer.finish(tokenizer, fingerprint, sources)?;
    build.finish()?;
    Ok(Summary { documents: index.documents, tokens: index.tokens, reused: false, sources: index.sources })
}

/// Name, size and hash of a file, of the parallel files of a folder, or of an archive whose members are chosen: then the
/// name tells which, and the hash depends on it.
///
/// # Errors
/// When it cannot be read.
pub fn source_file(path: &Path) -> Result<SourceFile> {
    let (path, members) = split_members(path);
    let mut hasher = blake3::Hasher::new();
    let files: Vec<PathBuf> =
        if path.is_dir() { PARALLEL.map(|name| path.join(name)).to_vec() } else { vec![path.clone()] };
    for path in &files {
        let file = File::open(path).map_err(Error::io("read", path))?;
        hasher.update_reader(file).map_err(Error::io("read", path))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = hasher.count();
    if let Some(members) = members {
        hasher.update(members.as_bytes());
        name = format!("{name}#{members}");
    }
    Ok(SourceFile { name, bytes, blake3: hasher.finalize().to_hex().to_string() })
}

fn fingerprint(sources: &[SourceFile], labels: Option<&Labels>, what: &str, tokenizer: &Tokenizer) -> Result<String> {
    let mut everything = vec![json!(FORMAT), json!(tokenizer.hash()?), json!(what), json!(sources)];
    everything.extend(labels.map(|labels| json!(labels)));
    let everything = Value::Array(everything);
    Ok(blake3::hash(everything.to_string().as_bytes()).to_hex().to_string())
}

/// Documents and tokens of the shards at `dir` if they are whole and have this fingerprint.
fn reusable(dir: &Path, fingerprint: &str) -> Result<Option<(u64, u64)>> {
    let has_entries = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if dir.exists() && !dir.join(INDEX).exists() && (has_entries || !dir.is_dir()) {
        let reason = "this is no folder of shards, and will not be replaced by one: name another folder".to_owned();
        return Err(Error::Shards { path: dir.to_owned(), reason });
    }
    // Damaged shards are made anew, as those of another text are.
    Ok(Shards::open(dir)
        .ok()
        .filter(|shards| shards.fingerprint() == fingerprint)
        .map(|shards| (shards.len() as u64, shards.tokens())))
}

/// A file that knows its size and hash.
struct Hashed {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
}

impl Hashed {
    fn create(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let file = File::create_new(&path).map_err(Error::io("write", &path))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 18, file), hasher: blake3::Hasher::new() })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    fn close(self) -> Result<(String, FileIndex)> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        // The rename at the end must not become durable before the contents.
        file.and_then(|file| file.sync_all()).map_err(Error::io("write", &self.path))?;
        Ok((name, FileIndex { bytes: self.hasher.count(), blake3: self.hasher.finalize().to_hex().to_string() }))
    }
}

/// Bits, eight to a byte, lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    byte: u8,
    used: u8,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        self.byte |= u8::from(bit) << self.used;
        self.used += 1;
        if self.used == 8 {
            self.close();
        }
    }

    /// Fills the last byte up with zeros.
    fn close(&mut self) {
        if self.used > 0 {
            self.bytes.push(std::mem::take(&mut self.byte));
            self.used = 0;
        }
    }
}

struct Shard {
    tokens: Hashed,
    words: Hashed,
    tags: Option<Hashed>,
    bits: Bits,
    starts: Hashed,
    start_bits: Bits,
    index: ShardIndex,
}

impl Shard {
    fn create(dir: &Path, number: usize, has_tags: bool) -> Result<Self> {
        Ok(Self {
            tags: has_tags.then(|| Hashed::create(dir, &tags_name(number))).transpose()?,
            tokens: Hashed::create(dir, &tokens_name(number))?,
            words: Hashed::create(dir, &words_name(number))?,
            bits: Bits::default(),
            starts: Hashed::create(dir, &starts_name(number))?,
            start_bits: Bits::default(),
            index: ShardIndex { documents: 0, tokens: 0 },
        })
    }
}

struct Writer {
    dir: PathBuf,
    shard: Option<Shard>,
    offsets: Hashed,
    labels: Option<Labels>,
    /// The classes or scores, where there are such.
    numbers: Option<Hashed>,
    /// Where the second texts begin, where the documents are pairs; the first document tells.
    seconds: Option<Hashed>,
    counts: Vec<u64>,
    token_bytes: u64,
    documents: u64,
    tokens: u64,
    shards: Vec<ShardIndex>,
    files: BTreeMap<String, FileIndex>,
}

impl Writer {
    fn new(dir: &Path, vocabulary: u32, labels: Option<Labels>) -> Result<Self> {
        let numbered = labels.as_ref().is_some_and(|labels| labels.kind != LabelKind::Tags);
        Ok(Self {
            numbers: numbered.then(|| Hashed::create(dir, LABELS)).transpose()?,
            seconds: None,
            labels,
            dir: dir.to_owned(),
            shard: None,
            offsets: Hashed::create(dir, DOCUMENTS)?,
            counts: vec![0; vocabulary as usize],
            token_bytes: if vocabulary <= 1 << 16 { 2 } else { 4 },
            documents: 0,
            tokens: 0,
            shards: Vec::new(),
            files: BTreeMap::new(),
        })
    }

    fn write(
        &mut self,
        chunk: &mut Vec<Document>,
        tokenizer: &Tokenizer,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let labels = self.labels.as_ref();
        let encoded: Vec<Result<Encoded>> =
            chunk.par_iter().map(|document| encode(document, tokenizer, labels)).collect();
        // Of several faults the first in the files is told, whichever thread was the fastest.
        for (encoded, document) in encoded.into_iter().zip(chunk.iter()) {
            self.add(&encoded?, document.second.is_some())?;
        }
        chunk.clear();
        progress(self.documents, self.tokens);
        Ok(())
    }

    fn add(&mut self, encoded: &Encoded, is_pair: bool) -> Result<()> {
        let encoding = &encoded.encoding;
        if self.documents == 0 && is_pair {
            self.seconds = Some(Hashed::create(&self.dir, SECONDS)?);
        }
        if let Some(seconds) = &mut self.seconds {
            seconds.put(&encoded.first.to_le_bytes())?;
        }
        if let Some(numbers) = &mut self.numbers {
            numbers.put(&encoded.label.to_le_bytes())?;
        }
        if self.shard.as_ref().is_some_and(|shard| shard.index.tokens >= SHARD_TOKENS) {
            self.close_shard()?;
        }
        let shard = match &mut self.shard {
            Some(shard) => shard,
            none => {
                let has_tags = self.labels.as_ref().is_some_and(|labels| labels.kind == LabelKind::Tags);
                none.insert(Shard::create(&self.dir, self.shards.len(), has_tags)?)
            }
        };
        self.offsets.put(&self.tokens.to_le_bytes())?;
        let mut bytes = Vec::with_capacity(encoding.ids.len() * self.token_bytes as usize);
        for id in &encoding.ids {
            // Ids are below the vocabulary's size, which decided on two or four bytes.
            self.counts[*id as usize] += 1;
            bytes.extend_from_slice(&id.to_le_bytes()[..self.token_bytes as usize]);
        }
        shard.tokens.put(&bytes)?;
        encoding.word_starts.iter().for_each(|start| shard.bits.push(*start));
        shard.words.put(&std::mem::take(&mut shard.bits.bytes))?;
        for start in &encoded.starts {
            shard.start_bits.push(start.sentence);
            shard.start_bits.push(start.paragraph);
        }
        shard.starts.put(&std::mem::take(&mut shard.start_bits.bytes))?;
        if let Some(tags) = &mut shard.tags {
            tags.put(&encoded.tags.iter().flat_map(|tag| tag.to_le_bytes()).collect::<Vec<u8>>())?;
        }
        shard.index.documents += 1;
        shard.index.tokens += encoding.ids.len() as u64;
        self.documents += 1;
        self.tokens += encoding.ids.len() as u64;
        Ok(())
    }

    /// Ends the current shard, if there is one.
    fn close_shard(&mut self) -> Result<()> {
        let Some(mut shard) = self.shard.take() else {
            return Ok(());
        };
        shard.bits.close();
        shard.words.put(&shard.bits.bytes)?;
        shard.start_bits.close();
        shard.starts.put(&shard.start_bits.bytes)?;
        self.files.extend([shard.tokens.close()?, shard.words.close()?, shard.starts.close()?]);
        self.files.extend(shard.tags.map(Hashed::close).transpose()?);
        self.shards.push(shard.index);
        Ok(())
    }

    fn finish(mut self, tokenizer: &Tokenizer, fingerprint: String, sources: Vec<SourceFile>) -> Result<Index> {
        self.close_shard()?;
        self.offsets.put(&self.tokens.to_le_bytes())?;
        let mut counts = Hashed::create(&self.dir, COUNTS)?;
        for count in &self.counts {
            counts.put(&count.to_le_bytes())?;
        }
        let mut json = Hashed::create(&self.dir, TOKENIZER)?;
        json.put(tokenizer.to_json()?)?;
        let pairs = self.seconds.is_some();
        self.files.extend([self.offsets.close()?, counts.close()?, json.close()?]);
        for further in [self.numbers, self.seconds].into_iter().flatten() {
            self.files.extend([further.close()?]);
        }
        let index = Index {
            format: FORMAT,
            fingerprint,
            tokenizer: tokenizer.hash()?,
            vocabulary: tokenizer.vocabulary().size,
            token_bytes: self.token_bytes,
            documents: self.documents,
            tokens: self.tokens,
            labels: self.labels,
            pairs,
            sources,
            shards: self.shards,
            files: self.files,
        };
        let text = serde_json::to_string_pretty(&index);
        let text = text.map_err(|error| Error::Shards { path: self.dir.join(INDEX), reason: error.to_string() })?;
        let mut file = Hashed::create(&self.dir, INDEX)?;
        file.put(text.as_bytes())?;
        file.close()?;
        Ok(index)
    }
}
