//! Studies: arms × tasks × seeds from one file, each stage a run of its own in a child process.
//!
//! `plan` lists the runs, those that arms have in common once; [`sweep`] does what is not done yet; `scores` reads what
//! came out; `verdict` holds it against the claim; `summary` and `page` say so. `find` knows the shipped studies by
//! name.

mod child;
mod find;
mod folder;
mod page;
mod plan;
mod runner;
mod scores;
mod summary;
mod verdict;

pub use find::{Shipped, find, shipped};
pub use plan::{Cell, Plan, PlannedRun};
pub use runner::{SweepOptions, Swept, sweep};
pub use scores::{Row, Score, Scores};
pub use verdict::{Judged, Verdict};
