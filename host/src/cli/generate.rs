//! `lacuna generate RUN`: texts continued by a run's causal model, or answered by its encoder–decoder.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use compute::DType;
use modality_text::Tokenizer;
use serde_json::json;

use super::{Common, Outcome, print_json};
use crate::decode::{Beams, Decoder, Generated, Limits, Reading, Sampling, generate, search};
use crate::error::{Error, Result};
use crate::train::Session;

#[derive(Args)]
pub(crate) struct GenerateArguments {
    /// The run folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Settings that replace those of the run's record.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The text to continue; empty, or left out, begins from the begin token. May be given several times.
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// Prompts as token ids: a file with a line {"input_ids": [...]} for each.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompt_ids: Option<PathBuf>,
    /// At most so many new tokens.
    #[arg(long, value_name = "N", default_value_t = 64)]
    tokens: usize,
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
    seed: u64,
    /// Go on after the end token.
    #[arg(long)]
    ignore_end: bool,
    /// Prompts that are decoded together.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// The type in which weights are read; half precision halves what each token has to read. Left out: as trained.
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// The role of the model, where several could generate.
    #[arg(long)]
    role: Option<String>,
    /// A checkpoint of the run: `last`, `best`, or a folder name under `checkpoints`.
    #[arg(long, default_value = "last")]
    checkpoint: String,
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
    let sampling = if arguments.greedy {
        Sampling::Greedy
    } else {
        Sampling::new(arguments.temperature, arguments.top_k, arguments.top_p)?
    };
    let beams = arguments.beam.map(|count| Beams::new(count as usize, arguments.length_penalty)).transpose()?;
    let given = arguments.prompt_ids.as_deref().map(prompt_ids).transpose()?;
    let session = Session::of_run(&arguments.run, &arguments.checkpoint, &arguments.overrides, &common.catalogue())?;
    let reading = match arguments.precision {
        None => Reading::AsTrained,
        Some(Precision::F32) => Reading::In(DType::F32),
        Some(Precision::Bf16) => Reading::In(DType::BF16),
        Some(Precision::F16) => Reading::In(DType::F16),
    };
    let decoder = Decoder::of_session(&session, arguments.role.as_deref(), reading)?;
    let prompts = match given {
        Some(ids) => known_ids(&session, ids)?,
        None if arguments.prompt.is_empty() => vec![encoded(&session, "")?],
        None => arguments.prompt.iter().map(|text| encoded(&session, text)).collect::<Result<_>>()?,
    };
    let limits = Limits {
        tokens: arguments.tokens,
        end: session.text()?.vocabulary().end.filter(|_| !arguments.ignore_end),
        batch: arguments.batch as usize,
    };
    let streams =
        prompts.len() == 1 && beams.is_none() && !decoder.answers() && !common.json && std::io::stdout().is_terminal();
    let mut stream =
        Stream { tokenizer: &session.text()?.tokenizer, ids: prompts.first().cloned().unwrap_or_default(), shown: 0 };
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
        print_json(&report(&session, arguments, decoder.role(), &prompts, &generated)?);
    } else if streams {
        println!();
    } else {
        for (prompt, written) in prompts.iter().zip(&generated.sequences) {
            // An answer stands for itself, a continuation behind what it continues.
            let before: &[u32] = if decoder.answers() { &[] } else { prompt };
            println!("{}", session.text()?.tokenizer.decode(&[before, &written.tokens].concat(), true)?);
        }
    }
    Ok(Outcome::Done)
}

fn report(
    session: &Session,
    arguments: &GenerateArguments,
    role: &str,
    prompts: &[Vec<u32>],
    generated: &Generated,
) -> Result<serde_json::Value> {
    let Generated { sequences, times } = generated;
    let texts = sequences.iter().map(|written| Ok(session.text()?.tokenizer.decode(&written.tokens, true)?));
    let per = |count: usize| (count > 0).then(|| times.decoding * 1000.0 / count as f64);
    Ok(json!({
        "run": arguments.run,
        "checkpoint": arguments.checkpoint,
        "role": role,
        "seed": arguments.seed,
        "prompt_ids": prompts,
        "tokens": sequences.iter().map(|written| &written.tokens).collect::<Vec<_>>(),
        "texts": texts.collect::<Result<Vec<String>>>()?,
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

/// The ids of a text, behind the begin token where documents have one.
fn encoded(session: &Session, text: &str) -> Result<Vec<u32>> {
    let mut ids = session.text()?.tokenizer.encode(text)?.ids;
    if session.text()?.settings.add_special || ids.is_empty() {
        ids.splice(0..0, session.text()?.vocabulary().begin);
    }
    Ok(ids)
}

fn prompt_ids(file: &Path) -> Result<Vec<Vec<u32>>> {
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

fn known_ids(session: &Session, prompts: Vec<Vec<u32>>) -> Result<Vec<Vec<u32>>> {
    let size = session.text()?.vocabulary().size;
    match prompts.iter().flatten().find(|id| **id >= size) {
        Some(id) => Err(Error::new("data/prompt", format!("there is no token {id} in a vocabulary of {size}"))),
        None => Ok(prompts),
    }
}

/// A text on a terminal that grows as its tokens come.
struct Stream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    /// Bytes that stand there already.
    shown: usize,
}

impl Stream<'_> {
    fn show(&mut self) {
        // What cannot be shown yet (half a letter, a terminal that is gone) is not worth ending the generation for.
        let Ok(text) = self.tokenizer.decode(&self.ids, true) else { return };
        if let Some(new) = text.get(self.shown..).filter(|new| !new.ends_with('\u{fffd}')) {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{new}").and_then(|()| out.flush());
            self.shown = text.len();
        }
    }
}
