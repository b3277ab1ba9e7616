//! Run folders: metrics, checkpoints, reports, comparisons.
//!
//! A run is a folder that explains itself:
//!
//! ```text
//! experiment.toml   the resolved experiment, with the source of every value
//! provenance.json   versions and hashes of host, plugins and data, command line, start
//! metrics.jsonl     the source of truth: what was measured at which step, the same bytes on every machine
//! items.jsonl      what the last measurement found for each sample, where the plugin tells; of test data `items-test.jsonl`
//! pictures/         what plugins show of the first held-out samples: `valid/NAME.png`
//! sounds/           held-out sounds: `valid/NAME.wav`
//! timings.jsonl     what depends on the clock
//! tensorboard/      the rows of metrics.jsonl as events for TensorBoard
//! log.txt           what the program said
//! report.html       one file to read, print and send
//! checkpoints/      step-00000500/ …, and the names `last` and `best`
//! ```
//!
//! [`RunFolder`] creates and opens it, [`MetricsWriter`] and [`CheckpointWriter`] fill it, [`Report`] and [`Comparison`]
//! explain it. Whatever is replaced is replaced whole: a new file is written beside the old one, synced, then renamed, so
//! a power cut or a full disk leaves the old one. Nothing here depends on the clock except where a time is asked for.

mod atomic;
mod better;
mod checkpoint;
mod compare;
mod error;
mod items;
mod lock;
mod media;
mod metrics;
mod provenance;
mod report;
mod retention;
mod run_folder;
pub mod statistics;
mod stream;
mod tensorboard;
mod tensors;

pub use atomic::write_atomic;
pub use better::Better;
pub use checkpoint::{
    BUFFERS, Checkpoint, CheckpointContent, CheckpointWriter, Found, MODEL, OPTIMIZER, STATE, Skipped, Written,
    newest_good,
};
pub use compare::{
    Cell, Comparison, Difference, Figures, Group, GroupedComparison, ItemPair, ItemScores, LEVEL, Measured,
    MetricComparison, Pair, RunData, SettingDifference, Standing, Task, TaskStanding, Test,
};
pub use error::{Error, Result};
pub use items::{ItemRow, ItemValue, read_items, write_items};
pub use media::{Kind as MediumKind, Medium, read_media};
pub use metrics::{MetricsWriter, Row, Rows, Torn, parse_rows, read_rows};
pub use provenance::{FileFacts, Provenance, Resumption, hash_file, utc_text};
pub use report::{
    Body, Card, Page, Report, Section, Span, Table, Tone, count, difference, duration, figure, short, spread_chart,
};
pub use retention::Retention;
pub use run_folder::RunFolder;
pub use safetensors::Dtype;
pub use stream::TensorWriter;
pub use tensorboard::{Event, EventsWriter, RunRows, read_events};
pub use tensors::{TensorBytes, TensorFile, write_tensors};
