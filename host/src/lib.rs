//! The Lacuna host: loader, data, loop, checkpoints and command line.
//!
//! The program `lacuna` is [`cli::main`] and nothing else; everything it does can be called from here.

pub mod boundary;
pub mod cli;
pub mod conformance;
mod convert;
pub mod data;
pub mod decode;
pub mod error;
pub mod features;
pub mod fill;
pub mod huggingface;
pub mod loader;
pub mod models;
pub mod progress;
pub mod scaffold;
pub mod signals;
pub mod study;
pub mod train;
