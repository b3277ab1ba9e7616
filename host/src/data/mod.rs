//! What a run learns from: prepared text, its batches, and their collation on data threads.

mod batches;
mod prepare;

pub use batches::{BatchMaker, MicroBatch, StepBatch};
pub use prepare::{TextData, prepare_text};
