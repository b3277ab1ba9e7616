//! `lacuna generate RUN --decoder NAME`, where the run's tokens are codes of pictures: a sheet of them as a PNG file.

use serde_json::json;

use super::generate::GenerateArguments;
use super::{Common, Outcome, print_json};
use crate::boundary::DecoderInstance;
use crate::decode::{DecodeRequest, Decoded, PictureCodes, Trained, decode};
use crate::error::{Error, Result};
use crate::features::check_output;

/// Pictures in a row of the sheet where they have no labels.
const COLUMNS: usize = 10;

pub(super) fn run(
    common: &Common,
    arguments: &GenerateArguments,
    decoder: &DecoderInstance,
    trained: &Trained,
    codes: &PictureCodes<'_>,
) -> Result<Outcome> {
    if !arguments.prompt.is_empty() || arguments.prompt_ids.is_some() {
        return Err(Error::new("config/generate", "pictures are not made behind a text")
            .with_help("say what they shall show with --label, or leave --prompt out"));
    }
    check_output(&arguments.out)?;
    let labels = arguments.label.iter().map(|label| codes.label(label)).collect::<Result<Vec<u32>>>()?;
    let prompts: Vec<Vec<u32>> =
        if labels.is_empty() { vec![Vec::new()] } else { labels.iter().map(|label| vec![*label]).collect() };
    let (samples, seed, batch) = (arguments.samples, arguments.seed, arguments.batch as usize);
    let request = DecodeRequest { prompts: &prompts, samples, length: codes.patches, seed, batch };
    let Decoded { sequences, network_calls, seconds, .. } = decode(decoder, &trained.options, request)?;
    let columns = if labels.is_empty() { COLUMNS } else { samples };
    let png = modality_image::sheet(&codes.pictures(&sequences)?, codes.size(), columns)?;
    std::fs::write(&arguments.out, png).map_err(|error| Error::file(&arguments.out, &error))?;
    let calls: u64 = network_calls.iter().sum();
    let names: Vec<Option<&str>> = (0..sequences.len())
        .map(|number| labels.get(number / samples).map(|label| codes.labels[*label as usize].as_str()))
        .collect();
    if common.json {
        print_json(&json!({
            "run": arguments.run,
            "checkpoint": arguments.checkpoint,
            "seed": arguments.seed,
            "labels": names,
            "tokens": sequences,
            "network_calls": calls,
            "seconds": seconds,
            "out": arguments.out,
        }));
    } else {
        println!("{}", arguments.out.display());
        eprintln!("{} pictures, {calls} network calls, {seconds:.2} s", sequences.len());
    }
    Ok(Outcome::Done)
}
