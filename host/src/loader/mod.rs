//! Finds and loads plugins.
//!
//! A plugin's manifest is read from the file before anything is opened (`manifest.rs`); a file without a readable manifest
//! is never opened as a library. To load, the file is copied to a cache under its BLAKE3 hash and that copy is opened, so
//! that rebuilding a plugin cannot pull the code from under a run (`library.rs`). Libraries are never closed: handles and
//! tables of a plugin stay valid for the life of the process.

mod cache;
mod error;
mod library;
mod manifest;
mod search;

pub use cache::cache_folder;
pub use error::LoadError;
pub use library::Plugin;
pub use manifest::{Manifest, Provided};
pub use search::{Catalogue, Found, NotAPlugin, SearchPath};
