//! From nothing running to the first optimizer step: `lacuna run plugins/mlm/experiments/tiny.toml` against a Python script
//! that does the same with torch and transformers. Data is tokenised already on both sides.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::measure::median;
use crate::program::{Work, lacuna};
use crate::python::Python;
use crate::report::Line;
use crate::training::Effort;
use crate::watched::{self, last_lines, peak_mib};

const EXPERIMENT: &str = "plugins/mlm/experiments/tiny.toml";
/// What both sides write on standard error or output after the first step.
const FIRST_STEP: &str = "step 1";
/// Changes that leave the first step as it is: one step, its line at once, nothing measured on held-out data.
const CHANGES: [&str; 3] = ["run.steps=1", "run.log_every_steps=1", "data.text.valid_files=[]"];

/// Measures the case.
///
/// # Errors
/// When a side fails or never takes a step.
pub fn measure(python: &Python, effort: Effort) -> Result<Line> {
    let work = Work::new("start")?;
    let prepared = work.path("prepared").display().to_string();
    // The tokenizer and the tokenised text: Lacuna keeps them in its cache, Python gets its own from the same tokenizer.
    lacuna(&[&run(&prepared)[..], &["--json"]].concat(), &work, "prepare")?;
    let tokens = work.path("tokens.npy").display().to_string();
    let tokenizer = work.path("prepared/tokenizer.json").display().to_string();
    let script = || {
        let mut command = python.script("start.py");
        command.args([&tokenizer, &tokens]);
        command
    };
    watched::run(script().arg("--prepare"), "benches/python/start.py --prepare", &work.path("torch-prepare.log"))?;

    let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), (0.0_f64, 0.0_f64));
    for pair in 0..effort.pairs {
        let out = work.path(&format!("run{pair}")).display().to_string();
        let (milliseconds, memory) = first_step(&mut work.command(&run(&out)), "lacuna run", &work.path("lacuna.log"))?;
        ours.push(milliseconds);
        mib.0 = mib.0.max(memory);
        let (milliseconds, memory) = first_step(&mut script(), "benches/python/start.py", &work.path("torch.log"))?;
        theirs.push(milliseconds);
        mib.1 = mib.1.max(memory);
    }
    Ok(Line::versus("start", (median(ours), median(theirs)), None, mib))
}

fn run(out: &str) -> Vec<&str> {
    [&["run", EXPERIMENT][..], &CHANGES, &["--out", out]].concat()
}

/// Milliseconds from starting `command` to the line that tells of its first step, and its peak memory then in MiB.
fn first_step(command: &mut Command, what: &str, log: &Path) -> Result<(f64, f64)> {
    let failed = |reason: String| Error::Program { what: what.to_owned(), reason, log: log.to_path_buf() };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (mut said, mut found) = (String::new(), None);
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line.map_err(|error| failed(error.to_string()))?;
        if line.starts_with(FIRST_STEP) && found.is_none() {
            found = Some((begun.elapsed().as_secs_f64() * 1e3, peak_mib(child.id()).unwrap_or_default()));
        }
        said.push_str(&line);
        said.push('\n');
    }
    std::fs::write(log, said).map_err(Error::io("write", log))?;
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match found {
        Some(found) if status.success() => Ok(found),
        _ => Err(failed(format!("{status}, without a line `{FIRST_STEP} …`: {}", last_lines(log)))),
    }
}
