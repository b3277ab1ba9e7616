//! `lacuna export MODEL FOLDER`: a run's model, or a model folder, becomes a Hugging Face folder.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Common, Outcome, print_json};
use crate::error::Result;
use crate::huggingface::{ExportOptions, export, shard_size};
use crate::models::Pick;

#[derive(Args)]
pub(crate) struct ExportArguments {
    /// The run folder or model folder.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The Hugging Face folder to make.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The role of the model, where a run has several.
    #[arg(long)]
    role: Option<String>,
    /// A checkpoint of the run: `last`, `best`, or a folder name under `checkpoints`.
    #[arg(long, default_value = "last")]
    checkpoint: String,
    /// At most so much in a file of weights: 500MB, 2GB.
    #[arg(long, value_name = "SIZE", default_value = "5GB", value_parser = shard_size)]
    shard_size: u64,
    /// Of a run that keeps averages of its weights, take the weights themselves.
    #[arg(long)]
    no_averages: bool,
}

pub(super) fn run(common: &Common, arguments: &ExportArguments) -> Result<Outcome> {
    let options = ExportOptions {
        place: arguments.model.clone(),
        pick: Pick {
            role: arguments.role.clone(),
            checkpoint: arguments.checkpoint.clone(),
            averaged: !arguments.no_averages,
        },
        out: arguments.folder.clone(),
        shard_size: arguments.shard_size,
    };
    let exported = export(&options, &common.catalogue())?;
    if common.json {
        print_json(&json!({
            "out": exported.out,
            "architecture": exported.architecture,
            "files": exported.files,
            "keys": exported.keys,
            "bytes": exported.bytes,
            "left_out": exported.left_out,
            "tokenizer": exported.has_tokenizer,
        }));
        return Ok(Outcome::Done);
    }
    println!("{}: {} keys, {:.1} MB", exported.architecture, exported.keys, exported.bytes as f64 / 1e6);
    println!("files: {}", exported.files.join(", "));
    if !exported.left_out.is_empty() {
        println!("without {}: the architecture has no place for them", exported.left_out.join(", "));
    }
    if !exported.has_tokenizer {
        println!("without a tokenizer: the model has none");
    }
    println!("→ {}", exported.out.display());
    Ok(Outcome::Done)
}
