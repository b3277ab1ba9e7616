//! `[data.text]`: which text, cut and tokenised how.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::check::Checked;
use crate::error::Error;
use crate::paths::Places;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;
use crate::table::excerpt;

pub(crate) const HEADER: &str = "[data.text]";
pub(crate) const INTRO: &str = "Which text, cut and tokenised how. Paths are looked for in the working directory, then beside the \
    experiment file. `{root}` in a path stands for the folder of your data: `root = \"DIR\"` in `[data]`, or else the environment \
    variable `LACUNA_DATA` (which `${LACUNA_DATA}` names too). `novels.tar.gz#train/*` means members of an archive. Tables without a \
    line of names have their columns numbered from 0: `field = \"0\"`.";
/// Keys that change no result.
pub(crate) const NEUTRAL: [&str; 1] = ["cache"];
/// Modalities that this host reads; a file names one of them.
pub(crate) const MODALITIES: [&str; 3] = ["text", "image", "audio"];
/// Modalities that the file format has a place for and this host does not read.
pub(crate) const LATER: [&str; 1] = ["documents"];

/// The `[data.text]` section; paths are absolute and, but for `cache`, exist.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataText {
    /// Files or folders to learn from, at least one.
    pub files: Vec<PathBuf>,
    /// Files to measure on; empty means `valid_share` decides.
    pub valid_files: Vec<PathBuf>,
    /// Files to measure on when the run has ended.
    pub test_files: Vec<PathBuf>,
    /// Share of documents held out when there are no `valid_files`, in [0, 1).
    pub valid_share: f64,
    /// How the files are packed.
    pub format: Format,
    /// What a document is in a plain text file.
    pub documents: Documents,
    /// The column or key that holds the text in jsonl, csv, tsv and parquet.
    pub field: String,
    /// The column or key of a second text, which makes pairs.
    pub second_field: Option<String>,
    /// The column or key that holds the label.
    pub label_field: Option<String>,
    /// What a label is.
    pub label_kind: Option<LabelKind>,
    /// All labels in their order; empty means those of the training data, sorted.
    pub labels: Vec<String>,
    /// At most so many training documents.
    pub samples: Option<usize>,
    /// Where tokens come from.
    pub tokenizer: Tokenizer,
    /// Entries of a vocabulary trained by this run.
    pub vocabulary_size: usize,
    /// At least so many sentinel tokens, added where the tokenizer has fewer.
    pub sentinels: usize,
    /// Lower-case the text before a tokenizer is trained on it and before it is encoded.
    pub lowercase: bool,
    /// Tokens of a row, special ones included.
    pub length: usize,
    /// Put several documents in a row.
    pub packing: bool,
    /// Shuffle the order of documents in each epoch.
    pub shuffle: bool,
    /// Put the tokenizer's special tokens around each document.
    pub add_special: bool,
    /// Pieces of documents with fewer tokens are left out, special ones included.
    pub minimum: usize,
    /// Folder for the prepared shards.
    pub cache: Option<PathBuf>,
}

/// How text files are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names of the formats")]
pub enum Format {
    /// By each file's ending.
    Auto,
    Txt,
    Jsonl,
    Csv,
    Tsv,
    Parquet,
    /// A tar of text files, also gzipped.
    Tar,
    /// A zip of text files.
    Zip,
    /// A token and its tag in each line, an empty line after each sentence.
    Conll,
    /// `COARSE:fine question` in each line.
    Trec,
    /// A folder of the line-parallel files `seq.in`, `seq.out` and `label`.
    Snips,
    /// A sentence of `word/tag` in each line.
    Brown,
}

impl Format {
    /// What the labels of a format are that has some by itself, the usual one first.
    fn label_kinds(self) -> &'static [LabelKind] {
        match self {
            Self::Conll | Self::Brown => &[LabelKind::Tags],
            Self::Trec => &[LabelKind::Class],
            Self::Snips => &[LabelKind::Class, LabelKind::Tags],
            _ => &[],
        }
    }
}

/// What a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelKind {
    /// One of some names.
    Class,
    /// A number.
    Score,
    /// One of some names for each word.
    Tags,
}

impl LabelKind {
    /// `class`, `score` or `tags`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Score => "score",
            Self::Tags => "tags",
        }
    }
}

impl DataText {
    /// What the labels are of a format that has some by itself; by the ending of the first file where the format is `auto`.
    fn own_kinds(&self) -> &'static [LabelKind] {
        let name = self.files.first().and_then(|file| file.to_str()).unwrap_or_default();
        match self.format {
            Format::Auto if name.ends_with(".conll") || name.ends_with(".conll.gz") => Format::Conll.label_kinds(),
            format => format.label_kinds(),
        }
    }

    /// What the labels are; `None` without labels.
    pub fn labelled(&self) -> Option<LabelKind> {
        let own = self.own_kinds().first().copied();
        self.label_kind.or(own).or_else(|| self.label_field.as_ref().map(|_| LabelKind::Class))
    }
}

/// What a document is in a plain text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Documents {
    /// Each line.
    Line,
    /// What stands between empty lines.
    Paragraph,
    /// Each sentence of a paragraph, by punctuation.
    Sentence,
    /// The whole file.
    File,
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Tokenizer {
    /// One token for each byte.
    Bytes,
    /// A Hugging Face `tokenizer.json`.
    File(PathBuf),
    /// Trained by this run on its own training documents.
    Train(Trainer),
}

/// How a tokenizer is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trainer {
    /// Schuster and Nakajima 2012, as in BERT.
    WordPiece,
    /// Sennrich et al. 2016, arXiv:1508.07909.
    Bpe,
    /// Kudo 2018, arXiv:1804.10959.
    Unigram,
}

/// The tokenizers that are no path.
const BUILT_IN: [&str; 4] = ["bytes", "train:wordpiece", "train:bpe", "train:unigram"];

impl TryFrom<String> for Tokenizer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match text.as_str() {
            "bytes" => Self::Bytes,
            "train:wordpiece" => Self::Train(Trainer::WordPiece),
            "train:bpe" => Self::Train(Trainer::Bpe),
            "train:unigram" => Self::Train(Trainer::Unigram),
            _ => Self::File(PathBuf::from(text)),
        })
    }
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Float, Integer, Text, Texts};
    Schema {
        fields: vec![
            Field::new("files", Texts, "Files to learn from; a folder stands for its files in the order of their names."),
            Field::new("valid_files", Texts, "Files to measure on, as `files`.").or(Json::Array(Vec::new())),
            Field::new("test_files", Texts, "Files to measure on once, when the run has ended, as `files`.").or(Json::Array(Vec::new())),
            Field::new("valid_share", Float, "Share of the documents held out to measure on when there are no `valid_files`.")
                .or(0.0)
                .at_least(0.0)
                .less_than(1.0),
            Field::new("format", Text, "How the files are packed; `auto` goes by each file's ending, `tar` may be gzipped. `conll` (a token and its tag in each line), \
                 `trec` (`COARSE:fine question`), `snips` (folders of `seq.in`, `seq.out`, `label`) and `brown` (`word/tag` …) have labels by \
                 themselves.")
                .or("auto")
                .one_of(&["auto", "txt", "jsonl", "csv", "tsv", "parquet", "tar", "zip", "conll", "trec", "snips", "brown"]),
            Field::new("documents", Text, "What one document is in a plain text file; paragraphs end at an empty line, sentences by punctuation.")
                .or("paragraph")
                .one_of(&["line", "paragraph", "sentence", "file"]),
            Field::new("field", Text, "The column or key of the text in jsonl, csv, tsv and parquet files; a number for files without a line of names.").or("text"),
            Field::new("second_field", Text, "The column or key of a second text: a sample is a pair then, the parts told apart by `text.types`.").optional(),
            Field::new("label_field", Text, "The column or key of the label. Of `trec`, `fine` takes the fine classes; of `conll` it is a column, the last unless told; of `brown`, `base` drops what is added to a tag.").optional(),
            Field::new("label_kind", Text, "What a label is: one of some names, a number, or a name for each word.").optional().one_of(&["class", "score", "tags"]),
            Field::new("labels", Texts, "All labels in their order; empty means those of the training files, sorted.").or(Json::Array(Vec::new())),
            Field::new("samples", Integer, "At most so many training documents, drawn once and for all whatever the run's seed.").optional().at_least(1.0),
            Field::new(
                "tokenizer",
                Text,
                "`bytes`, the path of a Hugging Face `tokenizer.json` or of a run or model folder that holds one, or `train:wordpiece`, `train:bpe`, `train:unigram` to train one on \
                 the training documents.",
            )
            .or("bytes"),
            Field::new("vocabulary_size", Integer, "Entries of a vocabulary that this run trains.").or(8192).at_least(2.0).at_most(16_777_216.0),
            Field::new("sentinels", Integer, "At least so many tokens `<extra_id_0>`, `<extra_id_1>`, … that stand for gaps; added where the tokenizer has fewer.").or(0).at_least(0.0).at_most(65536.0),
            Field::new("lowercase", Bool, "Lower-case the text first.").or(false),
            Field::new("length", Integer, "Tokens of a row, special ones included; longer documents are cut into pieces.")
                .or(128)
                .at_least(2.0)
                .at_most(16_777_216.0),
            Field::new("packing", Bool, "Put several documents in a row; attention and labels never cross from one to the next.").or(false),
            Field::new("shuffle", Bool, "Shuffle the order in each epoch, by the run's seed.").or(true),
            Field::new("add_special", Bool, "Put the tokenizer's special tokens around each document.").or(true),
            Field::new("minimum", Integer, "Pieces of documents with fewer tokens are left out, special ones included; at most `length`.").or(2).at_least(1.0),
            Field::new("cache", Text, "Folder for the prepared shards, made when it is not there.").optional(),
        ],
    }
}

/// Resolves the paths and checks what one field alone cannot show.
pub(crate) fn finish(mut checked: Checked, places: &Places) -> Result<(DataText, Checked), Error> {
    let what = in_words(HEADER);
    if checked.values["files"].as_array().is_none_or(Vec::is_empty) {
        let remedy = "name at least one file: `files = [\"corpus.txt\"]`".into();
        return Err(Error::Missing { what, name: "files".into(), remedy, place: checked.source("files").into() });
    }
    let (length, minimum) = (checked.values["length"].as_i64(), checked.values["minimum"].as_i64());
    if minimum > length {
        return Err(Error::Range {
            name: "minimum".into(),
            value: minimum.unwrap_or_default().to_string(),
            allowed: format!("at most `length`, {}", length.unwrap_or_default()),
            place: checked.source("minimum").into(),
            what,
        });
    }
    let tokenizer = checked.text("tokenizer").unwrap_or_default().to_owned();
    if tokenizer.starts_with("train:") && !BUILT_IN.contains(&tokenizer.as_str()) {
        return Err(Error::Choice {
            name: "tokenizer".into(),
            value: excerpt(&tokenizer),
            choices: BUILT_IN.map(str::to_owned).to_vec(),
            place: checked.source("tokenizer").into(),
            what,
        });
    }

    check_labels(&checked)?;

    for key in ["files", "valid_files", "test_files"] {
        let source = checked.source(key);
        for path in checked.values.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
            *path = text_of(&places.find_data(path.as_str().unwrap_or_default(), &source)?);
        }
    }
    if !BUILT_IN.contains(&tokenizer.as_str()) {
        let mut found = places.find(&tokenizer, &checked.source("tokenizer"))?;
        if found.is_dir() {
            let inside = format!("{}/tokenizer.json", tokenizer.trim_end_matches('/'));
            found = places.find(&inside, &checked.source("tokenizer"))?;
        }
        checked.values.insert("tokenizer".into(), text_of(&found));
    }
    if let Some(cache) = checked.text("cache") {
        let folder = places.place(cache, &checked.source("cache"))?;
        checked.values.insert("cache".into(), text_of(&folder));
    }
    Ok((checked.typed(), checked))
}

/// What the settings of labels must have in common.
fn check_labels(checked: &Checked) -> Result<(), Error> {
    let what = in_words(HEADER);
    let text: DataText = checked.typed();
    let kinds = text.own_kinds();
    if let Some(kind) = text.label_kind {
        if !kinds.is_empty() && !kinds.contains(&kind) {
            return Err(Error::Choice {
                name: "label_kind".into(),
                value: kind.name().into(),
                choices: kinds.iter().map(|kind| kind.name().to_owned()).collect(),
                place: checked.source("label_kind").into(),
                what,
            });
        }
        if kinds.is_empty() && text.label_field.is_none() {
            let remedy = "say where the label stands: `label_field = \"label\"`, or leave `label_kind` out".into();
            let place = checked.source("label_kind").into();
            return Err(Error::Missing { what, name: "label_field".into(), remedy, place });
        }
    }
    let refuse = |key: &str, reason: &str| {
        Err(Error::Type {
            what: in_words(HEADER),
            name: key.into(),
            expected: reason.into(),
            found: "set".into(),
            place: checked.source(key).into(),
        })
    };
    if !text.labels.is_empty() {
        match text.labelled() {
            None => return refuse("labels", "left out, or given together with `label_field`"),
            Some(LabelKind::Score) => return refuse("labels", "left out where labels are numbers"),
            Some(_) => {}
        }
        if let Some(twice) = text.labels.iter().enumerate().find(|(at, label)| text.labels[..*at].contains(label)) {
            return refuse("labels", &format!("a list of different labels (`{}` is there twice)", excerpt(twice.1)));
        }
    }
    if text.second_field.is_some() && (!kinds.is_empty() || text.labelled() == Some(LabelKind::Tags)) {
        return refuse("second_field", "left out: pairs come from jsonl, csv, tsv and parquet files, without tags");
    }
    Ok(())
}

fn text_of(path: &std::path::Path) -> Json {
    Json::from(path.to_string_lossy())
}
