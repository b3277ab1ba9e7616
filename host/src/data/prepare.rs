//! From the `[data.text]` section to token shards: everything that can be prepared once and kept.
//!
//! Prepared things lie in a cache under the hash of what they were made from (files by content, settings, tokenizer), so
//! that a second run starts at once and a changed file is noticed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use experiment::{DataText, Documents, Format, LabelKind, Tokenizer as TokenizerChoice, Trainer};
use modality_text::{
    Document, Labels, SampleSettings, Samples, Shards, SourceFile, SourceSettings, TextUnit, Tokenizer, TokenizerKind,
    Vocabulary, documents, source_file, source_files, write_labelled_shards,
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
    /// The samples to measure on when the run has ended, where there are any.
    pub test: Option<Arc<Samples>>,
    /// What the documents are labelled with.
    pub labels: Option<Labels>,
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
    let held_out = |files: &[PathBuf]| (!files.is_empty()).then(|| Corpus::read(files, &settings)).transpose();
    let (valid, test) = (held_out(&data.valid_files)?, held_out(&data.test_files)?);
    let labels = labels(data, &train)?;
    let tokenizer = Arc::new(tokenizer(data, &train, on_progress)?.with_sentinels(data.sentinels)?);
    let root = data.cache.clone().unwrap_or_else(|| cache_folder().join("data"));
    let corpora = [Some(&train), valid.as_ref(), test.as_ref()];
    let folder = root.join(shards_name(data, &corpora, labels.as_ref(), &tokenizer)?);
    let mut write = Writer { tokenizer: &tokenizer, labels: labels.as_ref(), folder: &folder, on_progress };
    let share = Some(data.valid_share).filter(|share| valid.is_none() && *share > 0.0);
    let part = Part { held_out: share.map(|share| (share, false)), samples: data.samples };
    let train_shards = write.shards(&train, "train", part)?;
    let valid_shards = match (valid, share) {
        (Some(valid), _) => Some(write.shards(&valid, "valid", Part::default())?),
        (None, Some(share)) => {
            let part = Part { held_out: Some((share, true)), samples: None };
            Some(write.shards(&train, "valid", part)?)
        }
        (None, None) => None,
    };
    let test_shards = test.map(|test| write.shards(&test, "test", Part::default())).transpose()?;
    let cut = SampleSettings { length: data.length, add_special: data.add_special, minimum: data.minimum };
    let vocabulary = tokenizer.vocabulary();
    let fingerprint = match &valid_shards {
        Some(valid) => format!("{} {}", train_shards.fingerprint(), valid.fingerprint()),
        None => train_shards.fingerprint().to_owned(),
    };
    let samples = |shards| Samples::new(shards, vocabulary, cut).map(Arc::new);
    let train = samples(train_shards)?;
    let valid = valid_shards.map(samples).transpose()?;
    let test = test_shards.map(samples).transpose()?;
    Ok(TextData { settings: data.clone(), tokenizer, train, valid, test, labels, fingerprint })
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

    /// The documents of a part of them: a document's number decides, whatever else changes.
    fn of_part(&self, part: Part) -> Result<impl Iterator<Item = modality_text::Result<Document>>> {
        let chosen = match part.samples {
            Some(most) => self.chosen(part, most)?,
            None => None,
        };
        let kept = self.documents().enumerate().filter(move |(number, document)| {
            document.is_err() || part.holds(*number) && chosen.as_ref().is_none_or(|chosen| chosen.contains(number))
        });
        Ok(kept.map(|(_, document)| document))
    }

    /// The numbers of `most` documents of a part, drawn once and for all; `None` where it has no more.
    fn chosen(&self, part: Part, most: usize) -> Result<Option<BTreeSet<usize>>> {
        let mut count = 0;
        for document in self.documents() {
            document?;
            count += 1;
        }
        let key = Key::root(0).stream("samples");
        let mut numbers: Vec<usize> = (0..count).filter(|number| part.holds(*number)).collect();
        if numbers.len() <= most {
            return Ok(None);
        }
        numbers.sort_by(|a, b| key.uniform(*a as u64).total_cmp(&key.uniform(*b as u64)).then(a.cmp(b)));
        numbers.truncate(most);
        Ok(Some(numbers.into_iter().collect()))
    }
}

/// Which documents of a corpus are meant.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// The share held out, and whether those are meant or the rest.
    held_out: Option<(f64, bool)>,
    /// At most so many.
    samples: Option<usize>,
}

impl Part {
    /// Whether a document is held out or not, as is meant.
    fn holds(self, number: usize) -> bool {
        let key = Key::root(0).stream("held out");
        self.held_out.is_none_or(|(share, meant)| (key.uniform(number as u64) < share) == meant)
    }

    /// What the documents depend on besides files and settings.
    fn in_words(self) -> String {
        let mut words = self.held_out.map_or(String::new(), |(share, meant)| format!(" held out {share}: {meant}"));
        if let Some(samples) = self.samples {
            words += &format!(" at most {samples}");
        }
        words
    }
}

/// Writes shards of the run's corpora.
struct Writer<'a, 'b> {
    tokenizer: &'a Tokenizer,
    labels: Option<&'a Labels>,
    folder: &'a Path,
    on_progress: OnProgress<'b>,
}

impl Writer<'_, '_> {
    /// The shards of a part of a corpus, in the folder `name`.
    fn shards(&mut self, corpus: &Corpus<'_>, name: &str, part: Part) -> Result<Arc<Shards>> {
        let (folder, sources) = (self.folder.join(name), corpus.sources.clone());
        let what = format!("{:?}{}", corpus.settings, part.in_words());
        let mut progress = |documents, tokens| (self.on_progress)("preparing the text", documents, tokens);
        let documents = corpus.of_part(part)?;
        write_labelled_shards(documents, self.labels, sources, &what, self.tokenizer, &folder, &mut progress)?;
        Ok(Arc::new(Shards::open(folder)?))
    }
}

/// The labels of the settings, or those of the training files.
fn labels(data: &DataText, train: &Corpus<'_>) -> Result<Option<Labels>> {
    let Some(kind) = train.settings.label_kind else { return Ok(None) };
    if !data.labels.is_empty() {
        return Ok(Some(Labels { kind, names: data.labels.clone() }));
    }
    Ok(Some(Labels::of(kind, train.documents())?))
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
    let texts = train.documents().flat_map(|document| {
        read += 1;
        let texts = match document {
            Ok(document) => [Some(Ok(document.text)), document.second.map(Ok)],
            Err(error) => [Some(Err(error)), None],
        };
        texts.into_iter().flatten()
    });
    let tokenizer = Tokenizer::train(kind, size, texts, data.lowercase)?;
    on_progress("training the tokenizer", read, 0);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, &error))?;
    }
    tokenizer.save(&file)?;
    Ok(tokenizer)
}

/// A name for the shards' folder: files by content, settings, labels and tokenizer.
fn shards_name(
    data: &DataText,
    corpora: &[Option<&Corpus<'_>>],
    labels: Option<&Labels>,
    tokenizer: &Tokenizer,
) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let settings = corpora.iter().flatten().next().map(|corpus| corpus.settings);
    hasher.update(
        format!("{settings:?} {} {:?} {labels:?} {}", data.valid_share, data.samples, tokenizer.hash()?).as_bytes(),
    );
    for corpus in corpora {
        hasher.update(if corpus.is_some() { b"|" } else { b"-" });
        corpus.inspect(|corpus| corpus.hash_into(&mut hasher));
    }
    Ok(hasher.finalize().to_hex()[..20].to_owned())
}
