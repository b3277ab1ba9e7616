//! A training case: the program `lacuna run` against PyTorch, in turn, after both have learnt alike.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::cases::{Batches, Training};
use crate::error::{Error, Result};
use crate::measure::median;
use crate::program::{Work, lacuna, number};
use crate::python::{Python, Script};
use crate::report::Line;

/// Steps whose losses are compared.
const CURVE_STEPS: usize = 50;
/// Largest relative difference of losses that counts as equal. Both sides compute in f32 and differ in the order of their
/// sums: measured, 5e-8 to 2e-7 at every one of 40 steps. A wrong constant (an epsilon, a decay on a bias, a mask off by one)
/// shows at 1e-4 and above.
const TOLERANCE: f64 = 1e-5;
/// Steps at the beginning of each timed run that are not counted.
const WARM: usize = 3;
/// Rounds of each matrix product.
const PRODUCT_ROUNDS: usize = 7;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Pairs of timed runs, turn by turn.
    pub pairs: usize,
    /// One step in so many of those that a full measurement takes.
    pub thinned: usize,
}

impl Effort {
    /// What counts.
    pub const FULL: Self = Self { pairs: 5, thinned: 1 };
    /// Enough to see that everything works; its figures mean nothing.
    pub const QUICK: Self = Self { pairs: 2, thinned: 5 };

    fn steps(self, steps: usize) -> usize {
        (steps / self.thinned).max(WARM + 2)
    }
}

/// One side of PyTorch: eager or compiled.
struct Side {
    name: &'static str,
    script: Script,
}

/// Measures the case; its line.
///
/// # Errors
/// When a side fails, or both are not the same model or do not learn alike.
pub fn measure(case: &Training, python: &Python, effort: Effort) -> Result<Line> {
    let work = Work::new(case.name)?;
    let experiment = format!("benches/cases/{}.toml", case.name);
    let curve_steps = effort.steps(CURVE_STEPS).max(10);
    let parameters = hand_over(&work, &experiment, curve_steps)?;
    let batches = Batches::open(&work.path("batches.safetensors"))?;

    let (mut eager, torch_parameters) = side(case, python, &work, "eager")?;
    if parameters != torch_parameters {
        return Err(Error::Parameters { case: case.name.to_owned(), lacuna: parameters, torch: torch_parameters });
    }
    let answer = eager.script.ask("curve", json!({ "steps": curve_steps }))?;
    let curve = compared(case.name, &losses_of_run(&work.path("curve"))?, &numbers(&answer["losses"]))?;

    let steps = effort.steps(case.steps);
    let mut torch = better(case, python, &work, eager, steps)?;
    let (mut ours, mut theirs, mut mib) = (Vec::new(), Vec::new(), (0.0_f64, 0.0_f64));
    for _ in 0..effort.pairs {
        let (milliseconds, memory) = timed_run(&work, &experiment, steps)?;
        ours.push(milliseconds);
        mib.0 = mib.0.max(memory);
        let answer = torch.script.ask("steps", json!({ "steps": steps }))?;
        theirs.push(counted(&numbers(&answer["milliseconds"])));
        mib.1 = number(&answer, "mib");
    }

    let products = batches.products(case, WARM..steps)?;
    let asked = json!({ "products": products.to_json(), "rounds": PRODUCT_ROUNDS });
    let mkl = number(&torch.script.ask("products", asked)?, "milliseconds");
    let own = products.milliseconds(PRODUCT_ROUNDS)?;
    let line = Line::versus(case.name, (median(ours), median(theirs)), Some(mkl.min(own)), mib)
        .with("torch", torch.name)
        .with("curve", format!("{curve:.1e}"))
        .with("parameters", parameters)
        .with("products_ms", format!("{own:.1}"))
        .with("mkl_ms", format!("{mkl:.1}"));
    if !case.ragged {
        return Ok(line);
    }
    let (real, padded) = batches.real_and_padded(WARM..steps)?;
    Ok(line.with("real_share", format!("{:.3}", real as f64 / padded as f64)))
}

/// Our own products of a case that was measured before, alone; `None` where it left no batches.
///
/// # Errors
/// When the batches can't be read.
pub fn products_alone(case: &Training, effort: Effort) -> Result<Option<Line>> {
    let file = Work::kept(case.name).join("batches.safetensors");
    if !file.is_file() {
        return Ok(None);
    }
    let products = Batches::open(&file)?.products(case, WARM..effort.steps(case.steps))?;
    let milliseconds = products.milliseconds(PRODUCT_ROUNDS)?;
    Ok(Some(Line::new("products").with("case", case.name).with("products_ms", format!("{milliseconds:.1}"))))
}

/// The untrained weights, the batches and the losses of `steps` steps; the number of parameters.
fn hand_over(work: &Work, experiment: &str, steps: usize) -> Result<u64> {
    let folder = |name: &str| work.path(name).display().to_string();
    let start = lacuna(&["run", experiment, "run.steps=0", "--out", &folder("start"), "--json"], work, "start")?.json;
    let (amount, batches) = (steps.to_string(), folder("batches.safetensors"));
    lacuna(&["data", "inspect", experiment, "--batches", &amount, "--output", &batches, "--json"], work, "batches")?;
    let steps = format!("run.steps={steps}");
    lacuna(&["run", experiment, &steps, "--out", &folder("curve"), "--json"], work, "curve")?;
    Ok(number(&start, "parameters") as u64)
}

fn side(case: &Training, python: &Python, work: &Work, name: &'static str) -> Result<(Side, u64)> {
    let mut command = python.script(&format!("{}.py", case.name));
    command.arg(work.folder()).arg("--serve");
    if name == "compile" {
        command.arg("--compile");
    }
    let what = format!("benches/python/{}.py ({name})", case.name);
    let (script, ready) = Script::start(&mut command, &what, &work.path(&format!("torch-{name}.log")))?;
    Ok((Side { name, script }, number(&ready, "parameters") as u64))
}

/// The faster one of eager, which is warm, and compiled; the other one is ended. A model that torch.compile refuses runs eager.
fn better(case: &Training, python: &Python, work: &Work, mut eager: Side, steps: usize) -> Result<Side> {
    let (mut compiled, _) = side(case, python, work, "compile")?;
    // The first block compiles, for batches of every length in it.
    if compiled.script.ask("steps", json!({ "steps": steps })).is_err() {
        eprintln!("{}: torch.compile fails, eager counts; see {}", case.name, work.path("torch-compile.log").display());
        return Ok(eager);
    }
    let block = |side: &mut Side| -> Result<f64> {
        let answer = side.script.ask("steps", json!({ "steps": steps }))?;
        Ok(counted(&numbers(&answer["milliseconds"])))
    };
    let (mut spent_eager, mut spent_compiled) = (block(&mut eager)?, block(&mut compiled)?);
    spent_eager = spent_eager.min(block(&mut eager)?);
    spent_compiled = spent_compiled.min(block(&mut compiled)?);
    eprintln!("{}: eager {spent_eager:.1} ms, torch.compile {spent_compiled:.1} ms", case.name);
    Ok(if spent_compiled < spent_eager { compiled } else { eager })
}

/// The median step of a run of the program, loading, logging and waiting for batches included, in milliseconds, and the
/// run's peak memory in MiB.
fn timed_run(work: &Work, experiment: &str, steps: usize) -> Result<(f64, f64)> {
    let out = work.path("timed");
    remove(&out)?;
    let (steps, folder) = (format!("run.steps={steps}"), out.display().to_string());
    let ended = lacuna(&["run", experiment, &steps, "--out", &folder, "--json"], work, "timed")?;
    // Time of the whole loop after each step: the difference of two is all that a step takes.
    let ends = column(&out.join("timings.jsonl"), "seconds")?;
    let milliseconds: Vec<f64> = std::iter::once(0.0)
        .chain(ends.iter().copied())
        .zip(&ends)
        .map(|(before, after)| (after - before) * 1e3)
        .collect();
    Ok((counted(&milliseconds), ended.mib))
}

/// The median of the steps after the first ones.
fn counted(milliseconds: &[f64]) -> f64 {
    median(milliseconds.get(WARM..).unwrap_or_default().to_vec())
}

fn losses_of_run(run: &Path) -> Result<Vec<f64>> {
    column(&run.join("metrics.jsonl"), "loss")
}

/// A number of each line of a file of JSON lines.
fn column(path: &PathBuf, key: &str) -> Result<Vec<f64>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok()?[key].as_f64()).collect())
}

/// The largest relative difference of two curves.
fn compared(case: &str, lacuna: &[f64], torch: &[f64]) -> Result<f64> {
    if lacuna.len() != torch.len() || lacuna.is_empty() {
        let reason = format!("{} losses in Lacuna, {} in PyTorch", lacuna.len(), torch.len());
        return Err(Error::Case { case: case.to_owned(), reason });
    }
    let differences = lacuna.iter().zip(torch).map(|(a, b)| ((a - b) / a).abs());
    // A difference that is no number is the largest.
    let (step, difference) = differences.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
    if difference <= TOLERANCE {
        return Ok(difference);
    }
    let (lacuna, torch) = (lacuna[step], torch[step]);
    Err(Error::Curve { case: case.to_owned(), step: step + 1, lacuna, torch, difference, tolerance: TOLERANCE })
}

fn numbers(list: &Json) -> Vec<f64> {
    list.as_array().into_iter().flatten().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() { std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn curves_agree_or_name_the_worst_step() {
        assert!(compared("toy", &[9.0, 8.0], &[9.0, 8.000_001]).unwrap() < 1e-6);
        let error = compared("toy", &[9.0, 8.0, 7.0], &[9.0, 8.1, 7.0]).unwrap_err();
        assert!(error.to_string().contains("step 2"), "{error}");
        assert!(compared("toy", &[9.0], &[f64::NAN]).is_err());
        assert!(compared("toy", &[9.0], &[9.0, 8.0]).is_err());
    }

    #[test]
    fn first_steps_do_not_count() {
        assert_eq!(counted(&[90.0, 80.0, 70.0, 1.0, 3.0, 2.0]), 2.0);
    }
}
