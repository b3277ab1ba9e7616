//! `lacuna data inspect FILE --batches N`: the batches of an experiment, exactly as its objective gets them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use experiment::Experiment;
use records::{TensorBytes, write_tensors};
use serde_json::{Map, Value as Json, json};

use super::{Common, Outcome, print_json};
use crate::data::StepBatch;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::train::Session;

/// How many batches are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// So many from the first step on.
    Steps(u64),
    /// Those of the first epoch.
    Epoch,
}

impl std::str::FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "epoch" => Ok(Self::Epoch),
            _ => {
                text.parse().map(Self::Steps).map_err(|_| "a number of batches, or `epoch` for all of the first".into())
            }
        }
    }
}

/// Sums over the batches.
#[derive(Default)]
struct Counts {
    batches: u64,
    samples: u64,
    tokens: u64,
    /// Tokens that the batches would have, were each sample as long as the longest of its batch.
    padded: u64,
    longest: usize,
}

impl Counts {
    fn add(&mut self, batch: &StepBatch) {
        self.batches += 1;
        for micro in &batch.micro {
            self.samples += micro.samples.len() as u64;
            self.tokens += micro.tokens() as u64;
            self.padded += (micro.samples.len() * micro.longest()) as u64;
            self.longest = self.longest.max(micro.longest());
        }
    }

    fn real_share(&self) -> f64 {
        self.tokens as f64 / self.padded.max(1) as f64
    }
}

/// Collates the first batches of the experiment `arguments[0]`, whose settings the others replace; writes them to `output`.
pub(super) fn inspect(
    common: &Common,
    arguments: &[PathBuf],
    amount: Amount,
    output: Option<&Path>,
) -> Result<Outcome> {
    let overrides: Vec<String> = arguments[1..].iter().map(|text| text.to_string_lossy().into_owned()).collect();
    if let Some(stray) = overrides.iter().find(|text| !text.contains('=')) {
        return Err(Error::new("config/override", format!("`{stray}` is no setting"))
            .with_help("with --batches, give one experiment file, then KEY=VALUE"));
    }
    if let Some(path) = output.filter(|path| path.exists()) {
        return Err(Error::new("config/output", format!("`{}` is there already", path.display()))
            .with_help("name another file, or remove it"));
    }
    let experiment = Experiment::load(&arguments[0], &overrides)?;
    let mut progress = Progress::unknown();
    let session = Session::open(experiment, &common.catalogue(), &mut |what, documents, tokens| {
        progress.say(&format!("{what}: {documents} documents, {tokens} tokens"))
    })?;
    let steps = match amount {
        Amount::Steps(steps) => steps,
        Amount::Epoch => session.batches_per_epoch()?,
    };
    let begun = Instant::now();
    let (mut counts, mut tensors, mut first) = (Counts::default(), Vec::new(), Vec::new());
    for batch in session.training_batches(0, steps) {
        let batch = batch?;
        counts.add(&batch);
        if output.is_some() || counts.batches == 1 {
            let named = named(batch)?;
            if counts.batches == 1 {
                first = named.iter().map(described).collect();
            }
            if output.is_some() {
                tensors.extend(named);
            }
        }
        if counts.batches.is_multiple_of(100) {
            progress.say(&format!("{} of {steps} batches", counts.batches));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    progress.finish();
    if let Some(path) = output {
        write_tensors(path, &tensors, &BTreeMap::from([("format".to_owned(), "lacuna batches".to_owned())]))?;
    }
    if common.json {
        let columns: Map<String, Json> = first.into_iter().collect();
        print_json(&json!({
            "batches": counts.batches,
            "samples": counts.samples,
            "tokens": counts.tokens,
            "longest": counts.longest,
            "real_share": counts.real_share(),
            "seconds": seconds,
            "first": columns,
            "output": output,
        }));
        return Ok(Outcome::Done);
    }
    println!(
        "{} batches, {} samples, {} tokens, the longest sample has {}; padded to the longest of its batch, {:.1} % would be real",
        counts.batches,
        counts.samples,
        counts.tokens,
        counts.longest,
        counts.real_share() * 100.0,
    );
    for (name, column) in first {
        println!("  {name}  {} {}", column["dtype"].as_str().unwrap_or_default(), column["shape"]);
    }
    if let Some(path) = output {
        println!("written to {}", path.display());
    }
    Ok(Outcome::Done)
}

fn described(tensor: &TensorBytes) -> (String, Json) {
    (tensor.name.clone(), json!({ "dtype": format!("{:?}", tensor.dtype), "shape": tensor.shape }))
}

/// The batch's tensors as `STEP/COLUMN`, those of a divided batch as `STEP.PART/COLUMN`.
fn named(batch: StepBatch) -> Result<Vec<TensorBytes>> {
    let (step, divided) = (batch.step, batch.micro.len() > 1);
    let mut all = Vec::new();
    for (part, micro) in batch.micro.into_iter().enumerate() {
        let place = if divided { format!("{step}.{part}") } else { step.to_string() };
        let named = |tensor: TensorBytes| TensorBytes { name: format!("{place}/{}", tensor.name), ..tensor };
        all.extend(micro.into_tensors()?.into_iter().map(named));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn an_amount_is_a_number_or_an_epoch() {
        assert_eq!("12".parse(), Ok(Amount::Steps(12)));
        assert_eq!("epoch".parse(), Ok(Amount::Epoch));
        assert!("all".parse::<Amount>().is_err_and(|text| text.contains("`epoch`")));
    }
}
