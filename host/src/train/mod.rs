//! Training: the loop, written once.
//!
//! Order → collate → forward → loss → backward → clip → step → report. The global batch is a function of (seed, step) and
//! is divided afterwards. Everything that changes from step to step is in a checkpoint, so stopping at any step and
//! resuming gives the same bytes as not stopping.

mod checkpoint;
mod evaluate;
mod guards;
mod items;
mod layer_decay;
mod log;
mod measure_run;
mod measurement;
mod meters;
mod optimizers;
mod phases;
mod report;
mod run;
mod session;
mod shared;
mod sheets;
mod step;
mod weights;

pub use checkpoint::saved;
pub(crate) use checkpoint::{EMA as AVERAGES, file_dtype};
pub use evaluate::{Evaluator, HELD_OUT_SEED, HeldOut, Unigram};
pub use guards::{Guards, MOST_EMPTY_STEPS};
pub use items::{write_items, write_sheets};
pub use log::PluginLog;
pub use measure_run::{measure, measure_run};
pub use measurement::{Measured, Measurement};
pub use meters::Meters;
pub use phases::PhaseOptimizer;
pub use report::write_report;
pub use run::{Ended, Finished, Profile, RunOptions, train};
pub use session::Session;
pub(crate) use session::{OBJECTIVE, folder_names};
pub(crate) use shared::materialise;
pub use sheets::Sheet;
pub use step::{StepReport, Stepper};
