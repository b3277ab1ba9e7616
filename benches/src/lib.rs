//! What the benches share: the program and the plugins that were built, and lines of results.
//!
//! `make bench` runs all of them. Each prints lines `bench: NAME key=value …` and nothing else on standard output; its file
//! says what is measured and how. Build first and let the machine rest: a figure is a median, but a busy machine shows.

pub mod measure;
pub mod program;
