//! Experiment files: strict TOML, overrides, the source of every value.
//!
//! One file describes one run. This crate reads it, applies what the command line overrides, checks every value against a
//! [`Schema`] and remembers where each value came from: a default, a line of the file, or the command line. The host's own
//! sections and the settings of plugins go through the same [`Schema::check`], so a misspelt key, a wrong type or a value
//! out of range reads the same wherever it stands.
//!
//! Plugins are not known while the file is read: `[objective]` and `[model.<role>]` keep their unchecked settings until the
//! host brings the plugin's schema to [`Objective::settings`] and [`Model::settings`]. What that costs is two moments at
//! which a file can be refused; both name file and line, and both come before data or weights are touched.
//!
//! ```
//! let text = "[run]\nsteps = 5\n[data.text]\nfiles = ['Cargo.toml']\n[objective]\nuse = 'mlm'\nmask_rate = 0.3\n";
//! let experiment = experiment::Experiment::from_text(text, "tiny.toml".as_ref(), &["run.seed=7".into()])?;
//! assert_eq!(experiment.run.seed, 7);
//!
//! let schema = experiment::Schema::from_json(r#"[{"name":"mask_rate","type":"float","default":0.15,"maximum":0.9}]"#)?;
//! assert_eq!(experiment.objective.settings(&schema)?["mask_rate"], 0.3);
//! assert!(experiment.resolved().contains("mask_rate = 0.3 # tiny.toml, line 7"));
//! # Ok::<(), experiment::Error>(())
//! ```
//!
//! Map: `table` values with places, `overrides` the command line, `schema` and `check` what is allowed, `sections` one file
//! for each section of the host, `study` arms and seeds side by side, `experiment` the whole, `resolved` and `fingerprint` what a run folder keeps,
//! `markdown` the reference page.

mod check;
mod error;
mod experiment;
mod fingerprint;
mod markdown;
mod modality;
mod overrides;
mod paths;
mod resolved;
mod schema;
mod sections;
mod source;
mod study;
mod suggest;
mod table;
mod write;

pub use check::Checked;
pub use error::Error;
pub use experiment::Experiment;
pub use markdown::reference;
pub use modality::Data;
pub use schema::{Field, Kind, Schema};
pub use sections::audio::{AudioFeatures, Change, Damaged, DataAudio, FRAMES_PER_UNIT, UnitFeatures};
pub use sections::checkpoint::Checkpoint;
pub use sections::data::{DataText, Documents, Format, LabelKind, Tokenizer, Trainer};
pub use sections::evaluate::Evaluate;
pub use sections::image::{Crop, DamagedPictures, DataImage, Filter, Source as DataSource};
pub use sections::model::{Model, model_settings};
pub use sections::objective::Objective;
pub use sections::optimizer::{Group, Optimizer, OptimizerKind};
pub use sections::run::{Device, Precision, Run};
pub use sections::schedule::{Schedule, ScheduleKind};
pub use source::Source;
pub use study::{Arm, Axis, Better, Clause, Expectation, Metric, On, Point, Relation, Side, Stage, Study, Task};
pub use suggest::suggest;
pub use table::Table;
pub use write::toml;
