//! Objectives that need no mask token, and objectives on the structure of documents.
//!
//! Random token substitution (RTS), its clustered form (C-RTS) and swapped language modelling (SLM) of Di Liello et al. 2022,
//! arXiv:2210.13536; same-sentence-paragraph tasks (SSP, SP, PSD) of Di Liello et al. 2022, arXiv:2205.10455, and
//! multi-sentence paragraph prediction (MSPP), arXiv:2205.01228. A token task and a structure task share one pass.

pub mod clusters;
mod columns;
mod objective;
pub mod passages;
pub mod swaps;

use plugin_api::prelude::*;

pub use objective::{Structural, StructuralSettings};

export_plugin! { name: "structural", provides: [Objective<Structural>, Collate<Structural>, Evaluate<Structural>] }
