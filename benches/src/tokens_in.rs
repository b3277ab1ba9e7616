//! Text files to packed batches, nothing prepared: `lacuna data inspect --batches epoch` against `datasets` + `tokenizers`.

use std::path::Path;
use std::time::Instant;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::measure::median;
use crate::program::{Work, lacuna, number, repository};
use crate::python::Python;
use crate::report::Line;
use crate::training::Effort;
use crate::watched;

const EXPERIMENT: &str = "benches/cases/tokens-in.toml";
/// How often each novel is there: 16 MB in all, so that work and not starting is measured.
const COPIES: usize = 8;

/// Measures the case. Whole processes count: starting, reading, tokenising, packing, and every batch of an epoch.
///
/// # Errors
/// When a side fails.
pub fn measure(python: &Python, effort: Effort) -> Result<Line> {
    let work = Work::new("tokens-in")?;
    let bytes = copy_novels(&work.path("text"), (COPIES / effort.thinned).max(1))?;
    let files = format!("data.text.files=[{:?}]", work.path("text"));
    let tokenizer = work.path("start/tokenizer.json");
    let start = work.path("start").display().to_string();
    lacuna(&["run", EXPERIMENT, "run.steps=0", "--out", &start, "--json"], &work, "tokenizer")?;

    // More processes cost a start each: what is faster counts.
    let other_side = |processes: usize, round: usize| -> Result<(f64, Json)> {
        let home = work.path(&format!("hub-{processes}-{round}"));
        let mut command = python.script("tokens-in.py");
        command.arg(&tokenizer).arg(work.path("text")).arg(processes.to_string());
        command.env("HF_HOME", &home).env("HF_DATASETS_DISABLE_PROGRESS_BARS", "1");
        let begun = Instant::now();
        let ended = watched::run(&mut command, "benches/python/tokens-in.py", &work.path("torch.log"))?;
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        remove(&home)?;
        let said = serde_json::from_str(ended.output.lines().last().unwrap_or_default())
            .map_err(|error| Error::Case { case: "tokens-in".into(), reason: error.to_string() })?;
        Ok((milliseconds, said))
    };
    let (one, two) = (other_side(1, 0)?.0, other_side(2, 0)?.0);
    eprintln!("tokens-in: one process {one:.0} ms, two {two:.0} ms");
    let processes = if two < one { 2 } else { 1 };

    let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), (0.0_f64, 0.0_f64));
    let mut tokens = (0.0, 0.0);
    let tokenizer_setting = format!("data.text.tokenizer={:?}", tokenizer);
    for pair in 1..=effort.pairs {
        let cache = work.path(&format!("cache-{pair}"));
        let arguments = ["data", "inspect", EXPERIMENT, &files, &tokenizer_setting, "--batches", "epoch", "--json"];
        let mut command = work.command(&arguments);
        command.env("LACUNA_CACHE", &cache);
        let begun = Instant::now();
        let ended = watched::run(&mut command, "lacuna data inspect", &work.path("lacuna.log"))?;
        ours.push(begun.elapsed().as_secs_f64() * 1e3);
        mib.0 = mib.0.max(ended.mib);
        remove(&cache)?;
        let said: Json = serde_json::from_str(&ended.output)
            .map_err(|error| Error::Case { case: "tokens-in".into(), reason: error.to_string() })?;
        let (milliseconds, other) = other_side(processes, pair)?;
        theirs.push(milliseconds);
        mib.1 = mib.1.max(number(&other, "mib"));
        tokens = (number(&said, "tokens"), number(&other, "tokens"));
    }
    Ok(Line::versus("tokens-in", (median(ours), median(theirs)), None, mib)
        .with("torch_processes", processes)
        .with("megabytes", format!("{:.1}", bytes as f64 / 1e6))
        .with("lacuna_tokens", tokens.0)
        .with("torch_tokens", tokens.1))
}

/// Copies the novels of `tests/data` so often into `folder`; the bytes there.
fn copy_novels(folder: &Path, copies: usize) -> Result<u64> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let novels = repository().join("tests/data/text/train");
    let entries = std::fs::read_dir(&novels).map_err(Error::io("read", &novels))?;
    let mut bytes = 0;
    for entry in entries {
        let path = entry.map_err(Error::io("read", &novels))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for copy in 0..copies {
            bytes += std::fs::copy(&path, folder.join(format!("{copy}-{name}"))).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(bytes)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() { std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder)) } else { Ok(()) }
}
