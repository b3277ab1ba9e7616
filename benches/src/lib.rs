//! What the benches share: the program and the plugins that were built, the comparison with PyTorch, and lines of results.
//!
//! `make bench` runs all of them, `make bench CASE=NAME` one: a case of the comparison (`mlm-step`, `decode`, `pictures`, …), `versus` for
//! all of those, `boundary` for what the boundary costs, `kernels` for single operations. Each prints lines `bench: NAME
//! key=value …` and nothing else on standard output; its file says what is measured and how, `RESULTS.md` what came out. Build
//! first and let the machine rest: a figure is a median, but a busy machine shows.
//!
//! # A new case of the comparison
//!
//! 1. An experiment `cases/NAME.toml`: dropout 0, `clip_norm = 0.0`, a constant schedule, `log_every_steps = 1`.
//! 2. The same model in plain PyTorch, `python/NAME.py`: a module whose call gives the loss, the names of its weights for
//!    Lacuna's, a batch's tensors from Lacuna's columns; `common.main` does the rest. `python benches/python/NAME.py
//!    target/bench/NAME --check` compares the losses step by step.
//! 3. A line in [`cases::TRAINING`] with the matrix products of a step.

pub mod cases;
pub mod decode;
pub mod error;
pub mod kernels;
pub mod measure;
pub mod products;
pub mod program;
pub mod python;
pub mod report;
pub mod sources;
pub mod start;
pub mod tokens_in;
pub mod training;
pub mod watched;
