//! `[run]`: how long, on what, from which seed.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::check::Checked;
use crate::error::Error;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;
use crate::source::Source;
use crate::table::excerpt;

pub(crate) const HEADER: &str = "[run]";
pub(crate) const INTRO: &str = "How long, on what, from which seed. `steps` or `tokens` must be given; with both, the run ends at \
    whichever is reached first.";
/// Keys that change no result: a resumed run may have them otherwise.
pub(crate) const NEUTRAL: [&str; 4] = ["name", "data_threads", "log_every_steps", "allow_missing_gradient_steps"];

/// The `[run]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The run's name, fit for a folder.
    pub name: String,
    /// The seed of every random number.
    pub seed: u64,
    /// Optimizer steps.
    pub steps: Option<u64>,
    /// Real tokens seen, padding left out.
    pub tokens: Option<u64>,
    /// Rows of one optimizer step, over all parts.
    pub batch_rows: usize,
    /// Parts in which a step's rows pass through the model, at most `batch_rows`.
    pub accumulation: usize,
    /// Where the run computes.
    pub device: Device,
    /// The dtype of the forward and backward pass; weights and optimizer state stay f32.
    pub precision: Precision,
    /// Threads that prepare batches.
    pub data_threads: usize,
    /// Steps between two log lines.
    pub log_every_steps: u64,
    /// Steps for which a trainable parameter may go without a gradient.
    pub allow_missing_gradient_steps: u64,
}

/// A device: `cpu`, `cuda`, `cuda:1`, `metal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU by number; `cuda` alone is number 0.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

/// The dtype of the forward and backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits throughout.
    F32,
    /// bfloat16 with f32 masters.
    Bf16,
}

impl std::str::FromStr for Device {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            None if text == "metal" => Ok(Self::Metal),
            Some(("cuda", number)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                number.parse().map(Self::Cuda).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|()| format!("`{text}` is no device"))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

pub(crate) fn schema() -> Schema {
    use Kind::{Integer, Text};
    Schema {
        fields: vec![
            Field::new(
                "name",
                Text,
                "The run's name and, without `--out`, its folder; left out, the file's name without `.toml`.",
            )
            .optional(),
            Field::new("seed", Integer, "Seed of every random number: initial weights, order of data, masks, dropout.")
                .or(0)
                .at_least(0.0),
            Field::new(
                "steps",
                Integer,
                "Optimizer steps; required unless `tokens` is given. 0 saves the untrained model.",
            )
            .optional()
            .at_least(0.0),
            Field::new("tokens", Integer, "Real tokens after which the run ends, padding not counted.")
                .optional()
                .at_least(1.0),
            Field::new("batch_rows", Integer, "Rows of one optimizer step.").or(32).at_least(1.0),
            Field::new(
                "accumulation",
                Integer,
                "Parts in which a step's rows pass through the model, to save memory; at most `batch_rows`.",
            )
            .or(1)
            .at_least(1.0),
            Field::new("device", Text, "Where to compute: `cpu`, `cuda`, `cuda:N` or `metal`.").or("cpu"),
            Field::new(
                "precision",
                Text,
                "The dtype of forward and backward pass; weights and optimizer state stay f32.",
            )
            .or("f32")
            .one_of(&["f32", "bf16"]),
            Field::new("data_threads", Integer, "Threads that prepare batches; changes speed, never results.")
                .or(1)
                .at_least(1.0)
                .at_most(1024.0),
            Field::new("log_every_steps", Integer, "Steps between two log lines.").or(10).at_least(1.0),
            Field::new(
                "allow_missing_gradient_steps",
                Integer,
                "Steps for which a trainable parameter may go without a gradient before the run stops.",
            )
            .or(100)
            .at_least(0.0),
        ],
    }
}

/// Fills in the name and checks what one field alone cannot show.
pub(crate) fn finish(
    mut checked: Checked,
    path: &Path,
    section: &Source,
    trains: bool,
) -> Result<(Run, Checked), Error> {
    let what = in_words(HEADER);
    match checked.text("name") {
        None => {
            checked.values.insert("name".into(), Json::from(name_of(path)));
        }
        Some(name) if !is_folder_name(name) => {
            return Err(Error::Type {
                name: "name".into(),
                expected:
                    "a name fit for a folder: letters, digits, spaces, `.`, `_`, `-`, no dot or space at either end"
                        .into(),
                found: format!("\"{}\"", excerpt(name)),
                place: checked.source("name").into(),
                what,
            });
        }
        Some(_) => {}
    }
    let device = checked.text("device").unwrap_or_default();
    if device.parse::<Device>().is_err() {
        return Err(Error::Choice {
            name: "device".into(),
            value: excerpt(device),
            choices: ["cpu", "cuda", "cuda:0", "metal"].map(str::to_owned).to_vec(),
            place: checked.source("device").into(),
            what,
        });
    }
    let run: Run = checked.typed();
    if trains && run.steps.is_none() && run.tokens.is_none() {
        let remedy = "add `steps = …`, the number of optimizer steps, or `tokens = …`".into();
        return Err(Error::Missing { what, name: "steps".into(), remedy, place: section.clone().into() });
    }
    if run.accumulation > run.batch_rows {
        return Err(Error::Range {
            name: "accumulation".into(),
            value: run.accumulation.to_string(),
            allowed: format!("at most `batch_rows`, {}", run.batch_rows),
            place: checked.source("accumulation").into(),
            what,
        });
    }
    Ok((run, checked))
}

fn is_folder_name(name: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    !name.is_empty() && name.len() <= 100 && name.chars().all(inner) && name.trim_matches(['.', ' ']) == name
}

/// A file's stem as a name: `plugins/mlm/experiments/tiny.toml` is `tiny`.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name: String =
        stem.chars().take(25).map(|c| if c.is_alphanumeric() || " ._-".contains(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() { "experiment".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_print_as_they_are_read() {
        for (text, device) in
            [("cpu", Device::Cpu), ("cuda:0", Device::Cuda(0)), ("cuda:3", Device::Cuda(3)), ("metal", Device::Metal)]
        {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for wrong in
            ["", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:99999999999999999999999", "CPU"]
        {
            assert_eq!(wrong.parse::<Device>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn a_name_always_fits_a_folder() {
        for (path, name) in [
            ("a/tiny.toml", "tiny"),
            (".toml", "toml"),
            ("a/..", "experiment"),
            ("", "experiment"),
            ("a/x:y.toml", "x-y"),
        ] {
            assert_eq!(name_of(Path::new(path)), name);
            assert!(is_folder_name(name));
        }
    }
}
