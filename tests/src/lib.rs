//! What whole-program tests share: the built program, a small experiment in a folder of its own, plugin files with faults.
//!
//! The tests run the program as a user would, so it has to be there: `cargo build --release` first.

mod files;
mod program;
mod sandbox;
mod tensors;

pub use files::{patched, plugin_file};
pub use program::{Ran, program, release_folder, repository};
pub use sandbox::Sandbox;
pub use tensors::{Stored, difference, read_tensors, write_tensors};
