//! Lacuna against PyTorch: training steps, decoding, tokens, pictures and sounds in, the start.
//!
//! Each case is an experiment run by the program through compiled plugins, against the same model in plain PyTorch (`python/`)
//! from the same weights on the same batches, whose losses must agree over 50 steps first. The sides take turns, five pairs at
//! least; only one computes at any time; each figure is a median. What each case counts stands in `RESULTS.md`.
//!
//! Arguments: names of cases, none for all. `LACUNA_BENCH_PYTHON` names a Python with torch instead of the one made in
//! `target/bench-python`; `LACUNA_BENCH_QUICK=1` only sees that everything works.

use std::process::ExitCode;

use lacuna_benches::cases::TRAINING;
use lacuna_benches::error::Result;
use lacuna_benches::python::{Python, THREADS};
use lacuna_benches::report::Line;
use lacuna_benches::training::{self, Effort};
use lacuna_benches::{decode, sources, start, tokens_in};

/// The program's own, for the products that are timed here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The products of the training cases measured last, alone; run only when it is named.
const ON_REQUEST: &str = "products";

type Measure = Box<dyn Fn(&Python, Effort) -> Result<Vec<Line>>>;

fn cases() -> Vec<(&'static str, Measure)> {
    let mut cases: Vec<(&'static str, Measure)> = Vec::new();
    for case in TRAINING {
        let measure = move |python: &Python, effort| Ok(vec![training::measure(&case, python, effort)?]);
        cases.push((case.name, Box::new(measure)));
    }
    let products = |_: &Python, effort| {
        TRAINING.iter().filter_map(|case| training::products_alone(case, effort).transpose()).collect()
    };
    cases.push((ON_REQUEST, Box::new(products)));
    cases.push(("decode", Box::new(decode::measure)));
    cases.push(("tokens-in", Box::new(|python, effort| Ok(vec![tokens_in::measure(python, effort)?]))));
    cases.push(("pictures", Box::new(sources::pictures)));
    cases.push(("sounds", Box::new(sources::sounds)));
    cases.push(("start", Box::new(|python, effort| Ok(vec![start::measure(python, effort)?]))));
    cases
}

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let cases = cases();
    if let Some(unknown) = asked.iter().find(|asked| !cases.iter().any(|(name, _)| name == asked)) {
        let known: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
        eprintln!("no case `{unknown}`; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let python = match Python::ready() {
        Ok(python) => python,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // As the program is told, for our own products.
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(THREADS.parse().unwrap_or(2)).build_global() {
        eprintln!("cannot start the threads: {error}");
        return ExitCode::FAILURE;
    }
    let effort = if std::env::var_os("LACUNA_BENCH_QUICK").is_some() { Effort::QUICK } else { Effort::FULL };
    let mut failed = false;
    let wanted =
        |name: &str| if asked.is_empty() { name != ON_REQUEST } else { asked.iter().any(|asked| asked == name) };
    for (name, measure) in cases.iter().filter(|(name, _)| wanted(name)) {
        match measure(&python, effort) {
            Ok(lines) => lines.iter().for_each(Line::print),
            Err(error) => {
                eprintln!("{name}: {error}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
