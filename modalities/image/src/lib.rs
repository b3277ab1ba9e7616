//! Pictures: files, archives and tables in; pixels out, cut and coloured anew in each epoch.
//!
//! Three steps, each usable alone. [`Index::build`] finds the pictures of folders, tar archives, parquet tables, jsonl manifests
//! and IDX files, with their labels, and reads each once to see that it is whole. [`Index::picture`] decodes one (JPEG, PNG, WebP)
//! from any thread. [`Transform`] makes of it what a model sees; all its draws are a function of a [`philox::Key`], so that seed,
//! epoch and sample decide and the number of threads does not. [`ClassMaps`] tell of each pixel what is seen there; the same key
//! cuts them as the picture.
//!
//! Nothing is decoded ahead of training, unlike text: pixels take ten times the room of their JPEG file, and random crops want
//! the whole picture in each epoch. What is compressed as a whole (tar.gz, IDX in gzip, parquet) is unpacked once, since single
//! pictures cannot be read from it.

mod classes;
mod colour;
mod decode;
mod error;
mod geometry;
mod index;
mod resize;
mod sheet;
mod source;
mod structure;
mod transform;

pub use classes::{ClassMaps, VOID};
pub use colour::{Change, Jitter};
pub use decode::{DecodeSettings, Picture, decode};
pub use error::{Error, Result};
pub use geometry::{Area, Crop, Geometry};
pub use index::{Corrupt, Index, Skipped};
pub use resize::Filter;
pub use sheet::sheet;
pub use source::SourceSettings;
pub use structure::{Format, Head, head};
pub use transform::Transform;
