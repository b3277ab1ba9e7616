//! `lacuna data`: a look at files, and their preparation ahead of a run.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use experiment::Experiment;
use modality_text::{Format, SourceSettings, TextUnit, Tokenizer, documents, source_files};
use serde_json::json;

use super::batches::{self, Amount};
use super::{Common, Outcome, print_json};
use crate::data::prepare_text;
use crate::error::Result;
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct DataArguments {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    /// Count documents, characters and words of files, and show the first documents; with --batches, collate an experiment's batches.
    Inspect(InspectArguments),
    /// Tokenise the data of an experiment to memory-mapped shards, as its first run would.
    Prepare(PrepareArguments),
}

#[derive(Args)]
struct InspectArguments {
    /// Files or folders: txt, jsonl, csv, tsv, parquet, tar, each also gzip-compressed. With --batches: an experiment file,
    /// then settings that replace its own, KEY=VALUE.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format of all files; by default their names tell.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// What a document of plain text is: paragraph, line, sentence or file.
    #[arg(long, default_value = "paragraph", value_name = "UNIT")]
    documents: TextUnit,
    /// The field or column that holds the text.
    #[arg(long, default_value = "text", value_name = "NAME")]
    field: String,
    /// A tokenizer.json, or `bytes`, to count tokens with.
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// How many documents to show.
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
}

fn inspect(common: &Common, arguments: &InspectArguments) -> Result<Outcome> {
    if let Some(amount) = arguments.batches {
        return batches::inspect(common, &arguments.files, amount, arguments.output.as_deref());
    }
    let settings = SourceSettings {
        format: arguments.format,
        unit: arguments.documents,
        field: arguments.field.clone(),
        ..SourceSettings::default()
    };
    let tokenizer = match &arguments.tokenizer {
        Some(name) if name.as_os_str() == "bytes" => Some(Tokenizer::bytes()),
        Some(path) => Some(Tokenizer::from_file(path)?),
        None => None,
    };
    let files = source_files(&arguments.files, &settings)?;
    let (mut counts, mut shown) = (Counts::default(), Vec::new());
    let mut progress = Progress::unknown();
    for document in documents(&files, &settings) {
        let document = document?;
        let characters = document.text.chars().count() as u64;
        counts.documents += 1;
        counts.characters += characters;
        counts.words += document.text.split_whitespace().count() as u64;
        counts.longest = counts.longest.max(characters);
        if let Some(tokenizer) = &tokenizer {
            counts.tokens += tokenizer.encode(&document.text)?.ids.len() as u64;
        }
        if shown.len() < arguments.show {
            shown.push((document.origin.to_string(), document.text));
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
            "first": shown.iter().map(|(origin, text)| json!({ "origin": origin, "text": text })).collect::<Vec<_>>(),
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
    for (origin, text) in shown {
        let start: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
        println!("\n{origin}\n  {start}");
    }
    Ok(Outcome::Done)
}

fn prepare(common: &Common, arguments: &PrepareArguments) -> Result<Outcome> {
    let experiment = Experiment::load(&arguments.file, &arguments.overrides)?;
    let Some(settings) = experiment.data.text() else {
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
        })
    };
    let parts = [("train", Some(&text.train)), ("valid", text.valid.as_ref())];
    if common.json {
        let parts: serde_json::Map<_, _> =
            parts.iter().filter_map(|(name, samples)| Some(((*name).to_owned(), part((*samples)?)))).collect();
        print_json(&json!({ "vocabulary": text.vocabulary().size, "parts": parts }));
        return Ok(Outcome::Done);
    }
    println!("vocabulary of {} tokens", text.vocabulary().size);
    for (name, samples) in parts.iter().filter_map(|(name, samples)| Some((name, (*samples)?))) {
        println!(
            "{name}: {} documents, {} tokens, {} samples of at most {} tokens ({} shorter than {} left out)\n  {}",
            samples.shards().len(),
            samples.shards().tokens(),
            samples.len(),
            settings.length,
            samples.dropped(),
            settings.minimum,
            samples.shards().dir().display(),
        );
    }
    Ok(Outcome::Done)
}
