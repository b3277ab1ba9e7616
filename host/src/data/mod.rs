//! What a run learns from: prepared text, pictures or synthetic samples, its batches, and their collation on data threads.

mod audio;
mod batches;
mod levels;
mod pictures;
mod prepare;
mod run_data;
mod source;
mod synthetic;

pub use audio::{AudioData, AudioSamples, ClipSettings, Clips, Skipped, prepare_audio};
pub use batches::{BatchMaker, MicroBatch, StepBatch};
pub use levels::Levels;
pub(crate) use pictures::index_of;
pub use pictures::{ImageData, ImageFiles, prepare_images};
pub(crate) use prepare::source_settings;
pub use prepare::{TextData, prepare_text};
pub use run_data::RunData;
pub use source::{BatchColumn, SharedSource, Source};
pub use synthetic::{SyntheticAudio, SyntheticImages};
