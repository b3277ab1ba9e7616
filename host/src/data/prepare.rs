//! From the `[data.text]` section to token shards: everything that can be prepared once and kept.
//!
//! Prepared things lie in a cache under the hash of what they were made from (files by content, settings, tokenizer), so
//! that a second run starts at once and a changed file is noticed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use experiment::{DataText, Documents, Format, LabelKind, Tokenizer as TokenizerChoice, Trainer};
use modality_text::{
    Document, SampleSettings, Samples, Shards, SourceFile, SourceSettings, TextUnit, Tokenizer, TokenizerKind,
    Vocabulary, documents, source_file, source_files, write_shards,
};
use philox::Key;

use crate::error::{Error, Result};
use crate::loader::cache_folder;

/// Prepared text of a run.
pub struct TextData {
    /// Its section of the experiment.
    pub settings: DataText,
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
    let train = Corpus::read(&data.files, &settings)?;
    let valid = if data.valid_files.is_empty() { None } else { Some(Corpus::read(&data.valid_files, &settings)?) };
    let tokenizer = Arc::new(tokenizer(data, &train, on_progress)?.with_sentinels(data.sentinels)?);
    let root = data.cache.clone().unwrap_or_else(|| cache_folder().join("data"));
    let folder = root.join(shards_name(data, &train, valid.as_ref(), &tokenizer)?);
    let (train_folder, valid_folder) = (folder.join("train"), folder.join("valid"));
    let share = data.valid_share;
    let (train, valid) = match valid {
        Some(valid) => {
            let train = train.whole(&tokenizer, &train_folder, on_progress)?;
            (train, Some(valid.whole(&tokenizer, &valid_folder, on_progress)?))
        }
        None if share > 0.0 => {
            let rest = train.divided(share, false, &tokenizer, &train_folder, on_progress)?;
            (rest, Some(train.divided(share, true, &tokenizer, &valid_folder, on_progress)?))
        }
        None => (train.whole(&tokenizer, &train_folder, on_progress)?, None),
    };
    let cut = SampleSettings { length: data.length, add_special: data.add_special, minimum: data.minimum };
    let vocabulary = tokenizer.vocabulary();
    let fingerprint = match &valid {
        Some(valid) => format!("{} {}", train.fingerprint(), valid.fingerprint()),
        None => train.fingerprint().to_owned(),
    };
    let train = Arc::new(Samples::new(train, vocabulary, cut)?);
    let valid = valid.map(|valid| Samples::new(valid, vocabulary, cut).map(Arc::new)).transpose()?;
    Ok(TextData { settings: data.clone(), tokenizer, train, valid, fingerprint })
}

/// How the files of `[data.text]` are read.
pub(crate) fn source_settings(data: &DataText) -> SourceSettings {
    SourceSettings {
        format: match data.format {
            Format::Auto => None,
            Format::Txt => Some(modality_text::Format::Text),
            Format::Jsonl => Some(modality_text::Format::JsonLines),
            Format::Csv => Some(modality_text::Format::Csv),
            Format::Tsv => Some(modality_text::Format::Tsv),
            Format::Parquet => Some(modality_text::Format::Parquet),
            Format::Tar => Some(modality_text::Format::Tar),
            Format::Zip => Some(modality_text::Format::Zip),
            Format::Conll => Some(modality_text::Format::Conll),
            Format::Trec => Some(modality_text::Format::Trec),
            Format::Snips => Some(modality_text::Format::Snips),
            Format::Brown => Some(modality_text::Format::Brown),
        },
        unit: match data.documents {
            Documents::Line => TextUnit::Line,
            Documents::Paragraph => TextUnit::Paragraph,
            Documents::Sentence => TextUnit::Sentence,
            Documents::File => TextUnit::File,
        },
        header: SourceSettings::has_names(&data.field, data.second_field.as_deref(), data.label_field.as_deref()),
        field: data.field.clone(),
        second_field: data.second_field.clone(),
        label_field: data.label_field.clone(),
        label_kind: data.labelled().map(|kind| match kind {
            LabelKind::Class => modality_text::LabelKind::Class,
            LabelKind::Score => modality_text::LabelKind::Score,
            LabelKind::Tags => modality_text::LabelKind::Tags,
        }),
    }
}

/// The files of a part of the data, each read through once for its hash.
struct Corpus<'a> {
    settings: &'a SourceSettings,
    files: Vec<PathBuf>,
    sources: Vec<SourceFile>,
}

impl<'a> Corpus<'a> {
    fn read(files: &[PathBuf], settings: &'a SourceSettings) -> Result<Self> {
        let files = source_files(files, settings)?;
        let sources = files.iter().map(|file| source_file(file)).collect::<modality_text::Result<Vec<_>>>()?;
        Ok(Self { settings, files, sources })
    }

    /// Takes the files' contents, in order, into a hash.
    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        for source in &self.sources {
            hasher.update(source.blake3.as_bytes());
        }
    }

    fn documents(&self) -> modality_text::Documents {
        documents(&self.files, self.settings)
    }

    /// The shards of all documents.
    fn whole(&self, tokenizer: &Tokenizer, folder: &Path, on_progress: OnProgress<'_>) -> Result<Arc<Shards>> {
        self.shards(self.documents(), &format!("{:?}", self.settings), tokenizer, folder, on_progress)
    }

    /// The shards of the documents held out (`valid`) or of the rest: a document's number decides, whatever else changes.
    fn divided(
        &self,
        share: f64,
        valid: bool,
        tokenizer: &Tokenizer,
        folder: &Path,
        on_progress: OnProgress<'_>,
    ) -> Result<Arc<Shards>> {
        let key = Key::root(0).stream("held out");
        let kept = self
            .documents()
            .enumerate()
            .filter(move |(number, document)| document.is_err() || (key.uniform(*number as u64) < share) == valid)
            .map(|(_, document)| document);
        let what = format!("{:?} held out {share}: {valid}", self.settings);
        self.shards(kept, &what, tokenizer, folder, on_progress)
    }

    fn shards(
        &self,
        documents: impl IntoIterator<Item = modality_text::Result<Document>>,
        what: &str,
        tokenizer: &Tokenizer,
        folder: &Path,
        on_progress: OnProgress<'_>,
    ) -> Result<Arc<Shards>> {
        write_shards(documents, self.sources.clone(), what, tokenizer, folder, &mut |documents, tokens| {
            on_progress("preparing the text", documents, tokens)
        })?;
        Ok(Arc::new(Shards::open(folder)?))
    }
}

fn tokenizer(data: &DataText, train: &Corpus<'_>, on_progress: OnProgress<'_>) -> Result<Tokenizer> {
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
    hasher.update(format!("{kind:?} {size} {} {:?}", data.lowercase, train.settings).as_bytes());
    train.hash_into(&mut hasher);
    let file = cache_folder().join("tokenizers").join(format!("{}.json", hasher.finalize().to_hex()));
    if let Ok(tokenizer) = Tokenizer::from_file(&file) {
        return Ok(tokenizer);
    }
    on_progress("training the tokenizer", 0, 0);
    let mut read = 0;
    let texts = train.documents().map(|document| {
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
fn shards_name(
    data: &DataText,
    train: &Corpus<'_>,
    valid: Option<&Corpus<'_>>,
    tokenizer: &Tokenizer,
) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?} {} {}", train.settings, data.valid_share, tokenizer.hash()?).as_bytes());
    train.hash_into(&mut hasher);
    if let Some(valid) = valid {
        valid.hash_into(&mut hasher);
    }
    Ok(hasher.finalize().to_hex()[..20].to_owned())
}
