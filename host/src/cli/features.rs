//! `lacuna features MODEL`: what a model makes of texts, token ids, pictures or sounds, into a file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Common, Outcome, print_json};
use crate::error::Result;
use crate::features::{
    FeatureOptions, Features, Pixels, Sounds, check_output, features, picture_features, read_lines, sound_features,
};
use crate::models::{Opened, Pick};
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct FeaturesArguments {
    /// The run folder or model folder.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// A text in each line; or, as `.jsonl`, {"input_ids": [...], "attention_mask": [...]}, of an encoder–decoder also
    /// "decoder_input_ids". Of a model of pictures a safetensors file with `pixels`, f32 [b, channels, height, width]; of a model
    /// of sounds with `waveform`, f32 [b, samples], or `features`, f32 [b, frames, bins].
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The safetensors file to make.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Rows that go through the model together.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Cut texts to so many tokens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_length: Option<u32>,
    /// Leave out what heads make of the hidden states: with a large vocabulary most of the file.
    #[arg(long)]
    no_logits: bool,
    /// Count positions over real tokens alone: padding on the left changes nothing then. Left out, a token's position is its
    /// place in the row, as in transformers' forward pass (RoBERTa always skips padding).
    #[arg(long)]
    skip_padding: bool,
    /// The role of the model, where a run has several.
    #[arg(long)]
    role: Option<String>,
    /// A checkpoint of the run: `last`, `best`, or a folder name under `checkpoints`.
    #[arg(long, default_value = "last")]
    checkpoint: String,
    /// Of a run that keeps averages of its weights, take the weights themselves.
    #[arg(long)]
    no_averages: bool,
}

pub(super) fn run(common: &Common, arguments: &FeaturesArguments) -> Result<Outcome> {
    check_output(&arguments.output)?;
    let pick = Pick {
        role: arguments.role.clone(),
        checkpoint: arguments.checkpoint.clone(),
        averaged: !arguments.no_averages,
    };
    let mut opened = Opened::open(&arguments.model, &pick, &common.catalogue())?;
    opened.forget_tensors();
    if let Some(size) = opened.stored.pictures() {
        let pixels = Pixels::read(&arguments.input, size)?;
        let batch = arguments.batch as usize;
        let mut progress = Progress::steps(pixels.pictures().div_ceil(batch) as u64, 0);
        let mut on_progress = |done, total| progress.at(done, total, "batches");
        let (output, heads) = (&arguments.output, !arguments.no_logits);
        let written = picture_features(&opened, &pixels, output, batch, heads, &mut on_progress)?;
        progress.finish();
        return tell(common, arguments, &written, pixels.pictures());
    }
    if let Some(size) = opened.stored.sounds() {
        let sounds = Sounds::read(&arguments.input, size)?;
        let batch = arguments.batch as usize;
        let mut progress = Progress::steps(sounds.sounds().div_ceil(batch) as u64, 0);
        let mut on_progress = |done, total| progress.at(done, total, "batches");
        let (output, heads) = (&arguments.output, !arguments.no_logits);
        let written = sound_features(&opened, &sounds, output, batch, heads, &mut on_progress)?;
        progress.finish();
        return tell(common, arguments, &written, sounds.sounds());
    }
    let cut = arguments.max_length.map(|length| length as usize);
    let rows = read_lines(&arguments.input, &|| opened.tokenizer(), opened.vocabulary()?.size, cut)?;
    let options = FeatureOptions {
        output: arguments.output.clone(),
        batch: arguments.batch as usize,
        logits: !arguments.no_logits,
        skip_padding: arguments.skip_padding,
    };
    let mut progress = Progress::steps(rows.len().div_ceil(options.batch) as u64, 0);
    let written = features(&opened, &rows, &options, &mut |done, total| progress.at(done, total, "batches"))?;
    progress.finish();
    tell(common, arguments, &written, rows.len())
}

/// Says what was written of so many rows of input.
fn tell(common: &Common, arguments: &FeaturesArguments, written: &Features, rows: usize) -> Result<Outcome> {
    if common.json {
        let shapes: serde_json::Map<_, _> =
            written.tensors.iter().map(|(name, shape)| (name.clone(), json!(shape))).collect();
        print_json(&json!({
            "output": arguments.output,
            "rows": rows,
            "tokens": written.tokens,
            "tensors": shapes,
        }));
        return Ok(Outcome::Done);
    }
    println!("{rows} rows, {} tokens → {}", written.tokens, arguments.output.display());
    for (name, shape) in &written.tensors {
        println!("  {name} {shape:?}");
    }
    Ok(Outcome::Done)
}
