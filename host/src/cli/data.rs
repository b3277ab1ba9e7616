//! `lacuna data`: a look at files, and their preparation ahead of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use experiment::{Data, DataSource, Experiment};
use modality_text::{Document, Format, Label, LabelKind, SourceSettings, TextUnit, Tokenizer, documents, source_files};
use serde_json::{Value as Json, json};

use super::batches::{self, Amount};
use super::{Common, Outcome, pictures, print_json, sounds};
use crate::data::{prepare_text, source_settings};
use crate::error::{Error, Result};
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct DataArguments {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// Count documents, characters and words of files, or pictures, their sizes and labels, or sounds and their seconds, and show the first; with --batches, collate an experiment's batches.
    Inspect(InspectArguments),
    /// Tokenise the data of an experiment to memory-mapped shards, as its first run would.
    Prepare(PrepareArguments),
}

#[derive(Args)]
struct InspectArguments {
    /// Files or folders: sounds; txt, jsonl, csv, tsv, conll, parquet, tar, zip, each also gzip-compressed; members of an archive as
    /// `a.tar.gz#train/*`; `{root}` stands for the folder `LACUNA_DATA`. Or an experiment file (.toml), whose training data is
    /// read as it says, then settings that replace its own, KEY=VALUE.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format of all files; by default their names tell.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// What a document of plain text is: paragraph, line, sentence or file.
    #[arg(long, default_value = "paragraph", value_name = "UNIT")]
    documents: TextUnit,
    /// The field or column that holds the text; columns of tables without a line of names count from 0.
    #[arg(long, default_value = "text", value_name = "NAME")]
    field: String,
    /// The field or column of a second text.
    #[arg(long, value_name = "NAME")]
    second_field: Option<String>,
    /// The field or column of the label.
    #[arg(long, value_name = "NAME")]
    label_field: Option<String>,
    /// What a label is: class, score or tags.
    #[arg(long, value_name = "KIND")]
    label_kind: Option<LabelKind>,
    /// The files hold pictures; where they are named .png, .jpg, .webp or -idx3-ubyte it is known.
    #[arg(long)]
    pictures: bool,
    /// The files hold sounds; where they are named .wav, .flac, .ogg or .mp3 it is known.
    #[arg(long)]
    sounds: bool,
    /// Where label and speaker stand in the names of sounds: `{label}_{speaker}_*.wav`.
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<String>,
    /// A tokenizer.json, or `bytes`, to count tokens with.
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// How many documents or sounds to show.
    #[arg(long, default_value_t = 3, value_name = "N")]
    show: usize,
    /// Collate the first N batches of an experiment, or those of its first `epoch`, exactly as its objective gets them.
    #[arg(long, value_name = "N")]
    batches: Option<Amount>,
    /// With --batches: write them to this safetensors file, as `STEP/COLUMN`.
    #[arg(long, requires = "batches", value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
struct PrepareArguments {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Settings that replace those of the file.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub(super) fn run(common: &Common, arguments: &DataArguments) -> Result<Outcome> {
    match &arguments.command {
        DataCommand::Inspect(inspected) => inspect(common, inspected),
        DataCommand::Prepare(prepared) => prepare(common, prepared),
    }
}

#[derive(Default)]
struct Counts {
    documents: u64,
    characters: u64,
    words: u64,
    tokens: u64,
    longest: u64,
    /// How often each label comes.
    labels: BTreeMap<String, u64>,
    /// Number, sum, least and largest of labels that are numbers.
    scores: Option<(u64, f64, f32, f32)>,
}

impl Counts {
    fn label(&mut self, label: &Label) {
        if let Label::Score(score) = *label {
            let (count, sum, least, most) = self.scores.unwrap_or((0, 0.0, score, score));
            self.scores = Some((count + 1, sum + f64::from(score), least.min(score), most.max(score)));
        }
        for name in label.names() {
            // Most names are there already.
            match self.labels.get_mut(name) {
                Some(count) => *count += 1,
                None => {
                    self.labels.insert(name.to_owned(), 1);
                }
            }
        }
    }
}

/// The sounds that are looked at, where it is sounds.
fn sounds_asked(arguments: &InspectArguments) -> Result<Option<sounds::Asked>> {
    let first = arguments.files.first();
    if let Some(file) = first.filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        let overrides: Vec<String> =
            arguments.files[1..].iter().map(|text| text.to_string_lossy().into_owned()).collect();
        return match Experiment::load(file, &overrides)?.data {
            Data::Audio(data) if data.source == DataSource::Files => Ok(Some(sounds::Asked::of(&data)?)),
            _ => Ok(None),
        };
    }
    let is_sound = |path: &PathBuf| {
        let name = path.to_string_lossy().to_lowercase();
        [".wav", ".flac", ".ogg", ".mp3"].iter().any(|ending| name.ends_with(ending))
    };
    if !arguments.sounds && arguments.pattern.is_none() && !first.is_some_and(is_sound) {
        return Ok(None);
    }
    let files = arguments.files.iter().map(|path| expanded(path)).collect::<Result<Vec<_>>>()?;
    Ok(Some(sounds::Asked::files(files, arguments.pattern.as_deref())?))
}

/// A path with the folder of the data in it.
fn expanded(path: &Path) -> Result<PathBuf> {
    match (path.to_str().filter(|text| text.contains("{root}")), std::env::var("LACUNA_DATA").ok()) {
        (None, _) => Ok(path.to_path_buf()),
        (Some(text), Some(root)) => Ok(PathBuf::from(text.replace("{root}", &root))),
        (Some(text), None) => {
            Err(Error::new("config/file", format!("`{{root}}` in `{text}` stands for the folder of your data"))
                .with_help("run `export LACUNA_DATA=DIR`"))
        }
    }
}

/// What is looked at: the files, and how they are read.
fn looked_at(arguments: &InspectArguments) -> Result<(Vec<PathBuf>, SourceSettings)> {
    let of_experiment = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    if let Some(file) = arguments.files.first().filter(|path| of_experiment(path)) {
        let overrides: Vec<String> =
            arguments.files[1..].iter().map(|text| text.to_string_lossy().into_owned()).collect();
        let experiment = Experiment::load(file, &overrides)?;
        let Some(text) = experiment.data.text() else {
            let header = experiment.data.header();
            return Err(Error::new(
                "config/modality",
                format!("`{}` learns from `{header}`, not from text", file.display()),
            )
            .with_help("its batches can be looked at: add `--batches 1`"));
        };
        return Ok((source_files(&text.files, &source_settings(text))?, source_settings(text)));
    }
    let columns = arguments.files.iter().any(|file| file.to_string_lossy().ends_with(".conll"));
    let own = matches!(arguments.format, Some(Format::Conll | Format::Brown)) || arguments.format.is_none() && columns;
    let default = if own { LabelKind::Tags } else { LabelKind::Class };
    let has_own = own || matches!(arguments.format, Some(Format::Trec | Format::Snips));
    let kind = arguments.label_kind.or((has_own || arguments.label_field.is_some()).then_some(default));
    let settings = SourceSettings {
        format: arguments.format,
        unit: arguments.documents,
        header: SourceSettings::has_names(
            &arguments.field,
            arguments.second_field.as_deref(),
            arguments.label_field.as_deref(),
        ),
        field: arguments.field.clone(),
        second_field: arguments.second_field.clone(),
        label_field: arguments.label_field.clone(),
        label_kind: kind,
    };
    let files = arguments.files.iter().map(|path| expanded(path)).collect::<Result<Vec<_>>>()?;
    Ok((source_files(&files, &settings)?, settings))
}

fn inspect(common: &Common, arguments: &InspectArguments) -> Result<Outcome> {
    if let Some(amount) = arguments.batches {
        return batches::inspect(common, &arguments.files, amount, arguments.output.as_deref());
    }
    if let Some(data) = pictures::asked(&arguments.files, arguments.pictures)? {
        return pictures::inspect(common, &data, arguments.show);
    }
    if let Some(asked) = sounds_asked(arguments)? {
        return sounds::inspect(common, &asked, arguments.show);
    }
    let (files, settings) = looked_at(arguments)?;
    let tokenizer = match &arguments.tokenizer {
        Some(name) if name.as_os_str() == "bytes" => Some(Tokenizer::bytes()),
        Some(path) => Some(Tokenizer::from_file(path)?),
        None => None,
    };
    let (mut counts, mut shown) = (Counts::default(), Vec::new());
    let mut progress = Progress::unknown();
    for document in documents(&files, &settings) {
        let document = document?;
        let characters = document.text.chars().count() as u64;
        counts.documents += 1;
        counts.characters += characters;
        counts.words += document.text.split_whitespace().count() as u64;
        counts.longest = counts.longest.max(characters);
        counts.label(&document.label);
        if let Some(tokenizer) = &tokenizer {
            for text in std::iter::once(&document.text).chain(&document.second) {
                counts.tokens += tokenizer.encode(text)?.ids.len() as u64;
            }
        }
        if shown.len() < arguments.show {
            shown.push(document);
        }
        if counts.documents.is_multiple_of(1000) {
            progress.say(&format!("{} documents", counts.documents));
        }
    }
    progress.finish();
    let tokens = tokenizer.is_some().then_some(counts.tokens);
    if common.json {
        print_json(&json!({
            "files": files,
            "documents": counts.documents,
            "characters": counts.characters,
            "words": counts.words,
            "tokens": tokens,
            "longest_document_characters": counts.longest,
            "labels": counts.labels,
            "scores": counts.scores.map(|(count, sum, least, most)| {
                json!({ "count": count, "mean": sum / count as f64, "least": least, "largest": most })
            }),
            "first": shown.iter().map(first).collect::<Vec<_>>(),
        }));
        return Ok(Outcome::Done);
    }
    println!(
        "{} files, {} documents, {} words, {} characters; the longest document has {} characters",
        files.len(),
        counts.documents,
        counts.words,
        counts.characters,
        counts.longest
    );
    if let Some(tokens) = tokens {
        println!("{tokens} tokens, {:.2} a word", tokens as f64 / counts.words.max(1) as f64);
    }
    if !counts.labels.is_empty() {
        println!("{} labels: {}", counts.labels.len(), in_words(&counts.labels));
    }
    if let Some((count, sum, least, most)) = counts.scores {
        println!("{count} scores from {least} to {most}, {:.3} in the mean", sum / count as f64);
    }
    for document in shown {
        println!("\n{}{}", document.origin, label_in_words(&document.label));
        for text in std::iter::once(&document.text).chain(&document.second) {
            let start: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
            println!("  {start}");
        }
    }
    Ok(Outcome::Done)
}

/// The most frequent labels first.
pub(super) fn in_words(labels: &BTreeMap<String, u64>) -> String {
    const SHOWN: usize = 40;
    let mut all: Vec<(&String, &u64)> = labels.iter().collect();
    all.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let shown: Vec<String> = all.iter().take(SHOWN).map(|(name, count)| format!("{name} {count}")).collect();
    let rest = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &rest
}

fn label_in_words(label: &Label) -> String {
    match label {
        Label::None => String::new(),
        Label::Class(name) => format!(": {name}"),
        Label::Score(score) => format!(": {score}"),
        Label::Tags(_) => format!(": {}", label.names().collect::<Vec<_>>().join(" ")),
    }
}

fn first(document: &Document) -> Json {
    let label = match &document.label {
        Label::None => Json::Null,
        Label::Class(name) => json!(name),
        Label::Score(score) => json!(score),
        Label::Tags(_) => json!(document.label.names().collect::<Vec<_>>()),
    };
    let origin = document.origin.to_string();
    json!({ "origin": origin, "text": document.text, "second": document.second, "label": label })
}

fn prepare(common: &Common, arguments: &PrepareArguments) -> Result<Outcome> {
    let experiment = Experiment::load(&arguments.file, &arguments.overrides)?;
    let Some(settings) = experiment.data.text() else {
        if let Data::Audio(data) = &experiment.data
            && data.source == DataSource::Files
        {
            return sounds::prepare(common, data);
        }
        let header = experiment.data.header();
        if common.json {
            print_json(&json!({ "parts": {} }));
        } else {
            println!("{header} needs no preparing: its samples are made when they are asked for");
        }
        return Ok(Outcome::Done);
    };
    let mut progress = Progress::unknown();
    let text = prepare_text(settings, &mut |what, documents, tokens| {
        progress.say(&format!("{what}: {documents} documents, {tokens} tokens"))
    })?;
    progress.finish();
    let part = |samples: &modality_text::Samples| {
        json!({
            "folder": samples.shards().dir(),
            "documents": samples.shards().len(),
            "tokens": samples.shards().tokens(),
            "samples": samples.len(),
            "left_out_as_too_short": samples.dropped(),
            "shortened": samples.shortened(),
        })
    };
    let parts = [("train", Some(&text.train)), ("valid", text.valid.as_ref()), ("test", text.test.as_ref())];
    if common.json {
        let parts: serde_json::Map<_, _> =
            parts.iter().filter_map(|(name, samples)| Some(((*name).to_owned(), part((*samples)?)))).collect();
        let labels = text.labels.as_ref().map(|labels| &labels.names);
        print_json(&json!({ "vocabulary": text.vocabulary().size, "labels": labels, "parts": parts }));
        return Ok(Outcome::Done);
    }
    println!("vocabulary of {} tokens", text.vocabulary().size);
    if let Some(labels) = &text.labels {
        println!("labels ({}): {}", labels.kind.name(), labels.names.join(", "));
    }
    for (name, samples) in parts.iter().filter_map(|(name, samples)| Some((name, (*samples)?))) {
        println!(
            "{name}: {} documents, {} tokens, {} samples of at most {} tokens ({} shorter than {} left out, {} cut at their end)\n  {}",
            samples.shards().len(),
            samples.shards().tokens(),
            samples.len(),
            settings.length,
            samples.dropped(),
            settings.minimum,
            samples.shortened(),
            samples.shards().dir().display(),
        );
    }
    Ok(Outcome::Done)
}
