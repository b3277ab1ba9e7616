//! `lacuna generate MODEL`: texts continued by the causal model of a run or a model folder, or answered by its encoder–decoder;
//! texts and pictures made by the decoder of a plugin.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use compute::DType;
use modality_text::Tokenizer;
use serde_json::json;

use super::{Common, Outcome, print_json};
use crate::decode::{
    Beams, Decoder, Filling, Generated, Limits, Reading, Sampling, fill_gaps, generate, search, writes,
};
use crate::error::{Error, Result};
use crate::models::{Opened, Pick, Stored};

#[derive(Args)]
pub(crate) struct GenerateArguments {
    /// The run folder or model folder.
    #[arg(value_name = "MODEL")]
    pub(super) run: PathBuf,
    /// Settings of the decoder of --decoder.
    #[arg(value_name = "KEY=VALUE", requires = "decoder")]
    pub(super) settings: Vec<String>,
    /// Let the decoder of this plugin make the tokens.
    #[arg(long, value_name = "PLUGIN")]
    pub(super) decoder: Option<String>,
    /// Sequences for each prompt, with --decoder.
    #[arg(long, value_name = "K", default_value_t = 1, requires = "decoder")]
    pub(super) samples: usize,
    /// What made pictures shall show, by the name or number of the label; a row of K for each. May be given several times.
    #[arg(long, value_name = "LABEL", requires = "decoder")]
    pub(super) label: Vec<String>,
    /// The PNG file for a sheet of made pictures, which must not be there yet.
    #[arg(long, value_name = "FILE", default_value = "pictures.png", requires = "decoder")]
    pub(super) out: PathBuf,
    /// The text to continue; empty, or left out, begins from the begin token. May be given several times.
    #[arg(long, value_name = "TEXT")]
    pub(super) prompt: Vec<String>,
    /// Prompts as token ids: a file with a line {"input_ids": [...]} for each.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub(super) prompt_ids: Option<PathBuf>,
    /// Fill the gaps of this text, each written `___`: a model that sees both sides guesses a token for each, an encoder–decoder
    /// writes what is missing. May be given several times.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prompt", "prompt_ids", "beam", "top_k", "top_p", "decoder"])]
    fill: Vec<String>,
    /// How many guesses for each gap, of a model that sees both sides.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "fill",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    guesses: u32,
    /// At most so many new tokens; with --decoder exactly so many, with --fill in each gap.
    #[arg(long, alias = "length", value_name = "N", default_value_t = 64)]
    pub(super) tokens: usize,
    /// Draw from softmax(logits / temperature); 0 takes the likeliest token.
    #[arg(long, value_name = "T", default_value_t = 1.0, allow_negative_numbers = true)]
    temperature: f64,
    /// Draw from at most so many tokens, the likeliest.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the fewest tokens that hold this share of the probability.
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Take the likeliest token.
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p"])]
    greedy: bool,
    /// Search for the likeliest text with so many beginnings at once, instead of drawing.
    #[arg(long, value_name = "N", conflicts_with_all = ["temperature", "top_k", "top_p", "greedy"],
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    beam: Option<u32>,
    /// A text's log-probability is divided by its length to this power: above 0 favours long ones, below it short ones.
    #[arg(long, value_name = "A", default_value_t = 1.0, allow_negative_numbers = true, requires = "beam")]
    length_penalty: f64,
    /// The seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Go on after the end token.
    #[arg(long)]
    ignore_end: bool,
    /// Prompts that are decoded together.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) batch: u32,
    /// The type in which weights are read; half precision halves what each token has to read. Left out: as trained.
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// The role of the model, where several could generate.
    #[arg(long)]
    pub(super) role: Option<String>,
    /// A checkpoint of the run: `last`, `best`, or a folder name under `checkpoints`.
    #[arg(long, default_value = "last")]
    pub(super) checkpoint: String,
    /// Of a run that keeps averages of its weights, take the weights themselves.
    #[arg(long)]
    pub(super) no_averages: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Precision {
    /// Single precision.
    F32,
    /// Brain floating point: 8 bits of exponent, 8 of precision.
    Bf16,
    /// Half precision: 11 bits of precision, numbers up to 65504.
    F16,
}

pub(super) fn run(common: &Common, arguments: &GenerateArguments) -> Result<Outcome> {
    if let Some(decoder) = &arguments.decoder {
        return super::generate_with::run(common, arguments, decoder);
    }
    let sampling = if arguments.greedy {
        Sampling::Greedy
    } else {
        Sampling::new(arguments.temperature, arguments.top_k, arguments.top_p)?
    };
    let beams = arguments.beam.map(|count| Beams::new(count as usize, arguments.length_penalty)).transpose()?;
    let given = arguments.prompt_ids.as_deref().map(prompt_ids).transpose()?;
    let pick = Pick {
        role: arguments.role.clone(),
        checkpoint: arguments.checkpoint.clone(),
        averaged: !arguments.no_averages,
    };
    let mut opened = open(&arguments.run, &pick, arguments.fill.is_empty(), &common.catalogue())?;
    opened.forget_tensors();
    let reading = match arguments.precision {
        None => Reading::AsTrained,
        Some(Precision::F32) => Reading::In(DType::F32),
        Some(Precision::Bf16) => Reading::In(DType::BF16),
        Some(Precision::F16) => Reading::In(DType::F16),
    };
    if !arguments.fill.is_empty() {
        return filled(common, arguments, &opened, reading);
    }
    let decoder = Decoder::of_opened(&opened, reading)?;
    let vocabulary = opened.vocabulary()?;
    let (tokenizer, prompts) = prompts(&opened, arguments, given)?;
    let limits = Limits {
        tokens: arguments.tokens,
        end: vocabulary.end.filter(|_| !arguments.ignore_end),
        batch: arguments.batch as usize,
    };
    let terminal = !common.json && std::io::stdout().is_terminal();
    let streams = terminal && prompts.len() == 1 && beams.is_none() && !decoder.answers() && tokenizer.is_some();
    let ids = prompts.first().cloned().unwrap_or_default();
    let mut stream = Stream { tokenizer: tokenizer.as_ref(), ids, shown: 0 };
    if streams {
        stream.show();
    }
    let mut show = |_, token| {
        if streams {
            stream.ids.push(token);
            stream.show();
        }
    };
    let generated = match beams {
        Some(beams) => search(&decoder, &prompts, beams, limits)?,
        None => generate(&decoder, &prompts, sampling, arguments.seed, limits, &mut show)?,
    };
    if common.json {
        print_json(&report(tokenizer.as_ref(), arguments, decoder.role(), &prompts, &generated)?);
    } else if streams {
        println!();
    } else {
        for (prompt, written) in prompts.iter().zip(&generated.sequences) {
            // An answer stands for itself, a continuation behind what it continues.
            let before: &[u32] = if decoder.answers() { &[] } else { prompt };
            let whole = [before, &written.tokens].concat();
            match &tokenizer {
                Some(tokenizer) => println!("{}", tokenizer.decode(&whole, true)?),
                None => println!("{}", whole.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")),
            }
        }
    }
    Ok(Outcome::Done)
}

fn filled(common: &Common, arguments: &GenerateArguments, opened: &Opened, reading: Reading) -> Result<Outcome> {
    let (guesses, tokenizer) = (arguments.guesses as usize, opened.tokenizer()?);
    let filling = Filling { guesses, tokens: arguments.tokens, reading };
    let filled = arguments.fill.iter().map(|text| fill_gaps(opened, &tokenizer, text, filling));
    let filled = filled.collect::<Result<Vec<_>>>()?;
    if common.json {
        print_json(&json!({
            "run": arguments.run,
            "checkpoint": arguments.checkpoint,
            "role": opened.model.role(),
            "filled": filled.iter().map(crate::fill::Filled::to_json).collect::<Vec<_>>(),
        }));
    } else {
        filled.iter().for_each(|filled| println!("{}", filled.to_text()));
    }
    Ok(Outcome::Done)
}

/// The model of a run or model folder; of several the only one with a head for tokens, where it `must_write` one that writes.
fn open(place: &Path, pick: &Pick, must_write: bool, catalogue: &crate::loader::Catalogue) -> Result<Opened> {
    let stored = Stored::all(place, pick)?;
    if stored.len() == 1 {
        return stored
            .into_iter()
            .map(|stored| Opened::build(stored, catalogue))
            .next_back()
            .unwrap_or_else(|| Err(Error::new("host/role", "the only model was lost")));
    }
    let roles: Vec<String> = stored.iter().map(|stored| format!("`{}`", stored.role)).collect();
    let mut found = Vec::new();
    for stored in stored {
        let opened = Opened::build(stored, catalogue)?;
        if (!must_write || writes(&opened.model)) && opened.heads.contains_key("tokens") {
            found.push(opened);
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => {
            Err(Error::new("config/generate", format!("several models could do it: {}", roles.join(", ")))
                .with_help("choose one with `--role`"))
        }
        (None, _) => Err(Error::new("config/generate", "the run has no model that predicts tokens in this way")
            .with_help(format!("it has models in the roles {}", roles.join(", ")))),
    }
}

fn report(
    tokenizer: Option<&Tokenizer>,
    arguments: &GenerateArguments,
    role: &str,
    prompts: &[Vec<u32>],
    generated: &Generated,
) -> Result<serde_json::Value> {
    let Generated { sequences, times } = generated;
    let texts = sequences
        .iter()
        .map(|written| tokenizer.map(|tokenizer| Ok(tokenizer.decode(&written.tokens, true)?)).transpose());
    let per = |count: usize| (count > 0).then(|| times.decoding * 1000.0 / count as f64);
    Ok(json!({
        "run": arguments.run,
        "checkpoint": arguments.checkpoint,
        "role": role,
        "seed": arguments.seed,
        "prompt_ids": prompts,
        "tokens": sequences.iter().map(|written| &written.tokens).collect::<Vec<_>>(),
        "texts": texts.collect::<Result<Vec<Option<String>>>>()?,
        "scores": sequences.iter().map(|written| written.score).collect::<Vec<_>>(),
        "ended": sequences.iter().map(|written| written.ended.name()).collect::<Vec<_>>(),
        "seconds": times.prefill + times.decoding,
        "prefill_seconds": times.prefill,
        "decode_seconds": times.decoding,
        "decode_steps": times.steps,
        "milliseconds_per_step": per(times.steps),
        "milliseconds_per_token": per(times.tokens),
    }))
}

/// The ids of a text: to be continued, behind the begin token where documents have one; to be answered, before the end token.
fn encoded(opened: &Opened, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut ids = tokenizer.encode(text)?.ids;
    if opened.said("decoder_layers").is_some_and(|layers| layers > 0) {
        ids.extend(opened.vocabulary()?.end);
        return Ok(ids);
    }
    if opened.stored.add_special || ids.is_empty() {
        ids.splice(0..0, opened.vocabulary()?.begin);
    }
    Ok(ids)
}

/// The tokenizer, and the prompts as ids: those given, or the texts of the command line.
pub(super) fn prompts(
    opened: &Opened,
    arguments: &GenerateArguments,
    given: Option<Vec<Vec<u32>>>,
) -> Result<(Option<Tokenizer>, Vec<Vec<u32>>)> {
    let vocabulary = opened.vocabulary()?;
    let tokenizer = match given {
        // Ids need no tokenizer: without one, ids are all that comes out.
        Some(_) if opened.stored.tokenizer.is_none() => None,
        _ => Some(opened.tokenizer()?),
    };
    let prompts = match (given, &tokenizer) {
        (Some(ids), _) => known_ids(vocabulary.size, ids)?,
        (None, Some(tokenizer)) if arguments.prompt.is_empty() => vec![encoded(opened, tokenizer, "")?],
        (None, Some(tokenizer)) => {
            arguments.prompt.iter().map(|text| encoded(opened, tokenizer, text)).collect::<Result<_>>()?
        }
        (None, None) => Vec::new(),
    };
    Ok((tokenizer, prompts))
}

pub(super) fn prompt_ids(file: &Path) -> Result<Vec<Vec<u32>>> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, &error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let prompt = |(index, line): (usize, &str)| {
        let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
        let ids = value.and_then(|mut value| serde_json::from_value(value["input_ids"].take()).ok());
        ids.ok_or_else(|| {
            Error::new("data/prompt", format!("`{}` has a line without token ids", file.display()))
                .at(file.display().to_string(), index as u32 + 1)
                .with_help("a line is {\"input_ids\": [5, 17, 30]}")
        })
    };
    lines.map(prompt).collect()
}

fn known_ids(size: u32, prompts: Vec<Vec<u32>>) -> Result<Vec<Vec<u32>>> {
    match prompts.iter().flatten().find(|id| **id >= size) {
        Some(id) => Err(Error::new("data/prompt", format!("there is no token {id} in a vocabulary of {size}"))),
        None => Ok(prompts),
    }
}

/// A text on a terminal that grows as its tokens come.
struct Stream<'a> {
    tokenizer: Option<&'a Tokenizer>,
    ids: Vec<u32>,
    /// Bytes that stand there already.
    shown: usize,
}

impl Stream<'_> {
    fn show(&mut self) {
        // What cannot be shown yet (half a letter, a terminal that is gone) is not worth ending the generation for.
        let Some(Ok(text)) = self.tokenizer.map(|tokenizer| tokenizer.decode(&self.ids, true)) else { return };
        if let Some(new) = text.get(self.shown..).filter(|new| !new.ends_with('\u{fffd}')) {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{new}").and_then(|()| out.flush());
            self.shown = text.len();
        }
    }
}
