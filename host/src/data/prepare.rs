//! From the `[data.text]` section to token shards: everything that can be prepared once and kept.
//!
//! Prepared things lie in a cache under the hash of what they were made from (files by content, settings, tokenizer), so
//! that a second run starts at once and a changed file is noticed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use experiment::{DataText, Documents, Format, Tokenizer as TokenizerChoice, Trainer};
use modality_text::{
    SampleSettings, Samples, Shards, SourceFile, SourceSettings, TextUnit, Tokenizer, TokenizerKind, Vocabulary,
    documents, prepare, source_file, source_files, write_shards,
};
use philox::Key;

use crate::error::{Error, Result};
use crate::loader::cache_folder;

/// Prepared text of a run.
pub struct TextData {
    /// The tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// The samples to train on.
    pub train: Arc<Samples>,
    /// The samples held out, where there are any.
    pub valid: Option<Arc<Samples>>,
    /// A hash of everything above, for records.
    pub fingerprint: String,
}

impl TextData {
    /// The vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        self.tokenizer.vocabulary()
    }
}

/// Tells how far a long preparation is: what is done, and documents and tokens so far.
pub(crate) type OnProgress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// Prepares the text of `[data.text]`, or finds it prepared.
///
/// # Errors
/// Files that are missing or damaged, a tokenizer that can't be read or trained, no sample left after cutting.
pub fn prepare_text(data: &DataText, on_progress: OnProgress<'_>) -> Result<TextData> {
    let settings = source_settings(data);
    let tokenizer = Arc::new(tokenizer(data, &settings, on_progress)?);
    let root = data.cache.clone().unwrap_or_else(|| cache_folder().join("data"));
    let name = shards_name(data, &settings, &tokenizer)?;
    let folder = root.join(name);
    let (train, valid) = if !data.valid_files.is_empty() {
        let train = shards(&data.files, &settings, &tokenizer, &folder.join("train"), on_progress)?;
        (train, Some(shards(&data.valid_files, &settings, &tokenizer, &folder.join("valid"), on_progress)?))
    } else if data.valid_share > 0.0 {
        let train = divided(data, &settings, &tokenizer, &folder.join("train"), false, on_progress)?;
        (train, Some(divided(data, &settings, &tokenizer, &folder.join("valid"), true, on_progress)?))
    } else {
        (shards(&data.files, &settings, &tokenizer, &folder.join("train"), on_progress)?, None)
    };
    let cut = SampleSettings { length: data.length, add_special: data.add_special, minimum: data.minimum };
    let vocabulary = tokenizer.vocabulary();
    let fingerprint = match &valid {
        Some(valid) => format!("{} {}", train.fingerprint(), valid.fingerprint()),
        None => train.fingerprint().to_owned(),
    };
    let train = Arc::new(Samples::new(train, vocabulary, cut)?);
    let valid = valid.map(|valid| Samples::new(valid, vocabulary, cut).map(Arc::new)).transpose()?;
    Ok(TextData { tokenizer, train, valid, fingerprint })
}

fn source_settings(data: &DataText) -> SourceSettings {
    SourceSettings {
        format: match data.format {
            Format::Auto => None,
            Format::Txt => Some(modality_text::Format::Text),
            Format::Jsonl => Some(modality_text::Format::JsonLines),
            Format::Csv => Some(modality_text::Format::Csv),
            Format::Tsv => Some(modality_text::Format::Tsv),
            Format::Parquet => Some(modality_text::Format::Parquet),
            Format::Tar => Some(modality_text::Format::Tar),
        },
        unit: match data.documents {
            Documents::Line => TextUnit::Line,
            Documents::Paragraph => TextUnit::Paragraph,
            Documents::File => TextUnit::File,
        },
        field: data.field.clone(),
        ..SourceSettings::default()
    }
}

/// The hash of the files' contents, in order.
fn hash_of(files: &[PathBuf], settings: &SourceSettings, hasher: &mut blake3::Hasher) -> Result<Vec<SourceFile>> {
    let files = source_files(files, settings)?;
    let sources = files.iter().map(|file| source_file(file)).collect::<modality_text::Result<Vec<_>>>()?;
    for source in &sources {
        hasher.update(source.blake3.as_bytes());
    }
    Ok(sources)
}

fn tokenizer(data: &DataText, settings: &SourceSettings, on_progress: OnProgress<'_>) -> Result<Tokenizer> {
    let kind = match &data.tokenizer {
        TokenizerChoice::Bytes => return Ok(Tokenizer::bytes()),
        TokenizerChoice::File(path) => return Ok(Tokenizer::from_file(path)?),
        TokenizerChoice::Train(Trainer::WordPiece) => TokenizerKind::WordPiece,
        TokenizerChoice::Train(Trainer::Bpe) => TokenizerKind::Bpe,
        TokenizerChoice::Train(Trainer::Unigram) => TokenizerKind::Unigram,
    };
    let size = u32::try_from(data.vocabulary_size)
        .map_err(|_| Error::new("config/range", "`vocabulary_size` is too large"))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{kind:?} {size} {} {settings:?}", data.lowercase).as_bytes());
    hash_of(&data.files, settings, &mut hasher)?;
    let file = cache_folder().join("tokenizers").join(format!("{}.json", hasher.finalize().to_hex()));
    if let Ok(tokenizer) = Tokenizer::from_file(&file) {
        return Ok(tokenizer);
    }
    on_progress("training the tokenizer", 0, 0);
    let files = source_files(&data.files, settings)?;
    let mut read = 0;
    let texts = documents(&files, settings).map(|document| {
        read += 1;
        document.map(|document| document.text)
    });
    let tokenizer = Tokenizer::train(kind, size, texts, data.lowercase)?;
    on_progress("training the tokenizer", read, 0);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, &error))?;
    }
    tokenizer.save(&file)?;
    Ok(tokenizer)
}

/// A name for the shards' folder: files by content, settings and tokenizer.
fn shards_name(data: &DataText, settings: &SourceSettings, tokenizer: &Tokenizer) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{settings:?} {} {}", data.valid_share, tokenizer.hash()?).as_bytes());
    hash_of(&data.files, settings, &mut hasher)?;
    if !data.valid_files.is_empty() {
        hash_of(&data.valid_files, settings, &mut hasher)?;
    }
    Ok(hasher.finalize().to_hex()[..20].to_owned())
}

fn shards(
    files: &[PathBuf],
    settings: &SourceSettings,
    tokenizer: &Tokenizer,
    folder: &Path,
    on_progress: OnProgress<'_>,
) -> Result<Arc<Shards>> {
    prepare(files, settings, tokenizer, folder, &mut |documents, tokens| {
        on_progress("preparing the text", documents, tokens)
    })?;
    Ok(Arc::new(Shards::open(folder)?))
}

/// The documents held out (`valid`) or the rest: a document's number decides, whatever else changes.
fn divided(
    data: &DataText,
    settings: &SourceSettings,
    tokenizer: &Tokenizer,
    folder: &Path,
    valid: bool,
    on_progress: OnProgress<'_>,
) -> Result<Arc<Shards>> {
    let key = Key::root(0).stream("held out");
    let share = data.valid_share;
    let files = source_files(&data.files, settings)?;
    let sources = files.iter().map(|file| source_file(file)).collect::<modality_text::Result<Vec<_>>>()?;
    let kept = documents(&files, settings)
        .enumerate()
        .filter(move |(number, document)| document.is_err() || (key.uniform(*number as u64) < share) == valid)
        .map(|(_, document)| document);
    let what = format!("{settings:?} held out {share}: {valid}");
    write_shards(kept, sources, &what, tokenizer, folder, &mut |documents, tokens| {
        on_progress("preparing the text", documents, tokens)
    })?;
    Ok(Arc::new(Shards::open(folder)?))
}
