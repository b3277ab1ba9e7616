//! Hugging Face folders in and out: strict, with every key accounted for.
//!
//! What the names mean is the family's to say ([`NameTable`], from the interface `lacuna.model.huggingface`); files, shapes,
//! element types, parts and copies are checked here. All faults of a folder are told together, and nothing is written before
//! everything fits.

mod export;
mod files;
mod gather;
mod import;
mod pieces;
mod report;
mod table;
mod tokens;

pub use export::{ExportOptions, Exported, export};
pub use files::{HfFolder, shard_size};
pub use import::{ImportOptions, Imported, import};
pub use report::{KeyReport, Use};
pub use table::{NameRow, NameTable, Part};
