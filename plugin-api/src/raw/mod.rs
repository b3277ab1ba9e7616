//! Everything that touches the boundary, and all `unsafe` of this crate.
//!
//! Above this module a plugin sees owned, counted objects and plain `Result`s. Below it are the tables of `lacuna_abi`.
//! Nothing whose layout belongs to the standard library crosses: text and lists go as pointer and length, instances as
//! pointers that only this library reads, errors as handles of the host.

#![allow(unsafe_code, reason = "the one module that talks to the host through pointers")]

pub(crate) mod batches;
pub(crate) mod borrow;
pub(crate) mod calls;
mod decoders;
pub(crate) mod errors;
mod evaluators;
pub(crate) mod export;
mod families;
pub(crate) mod gradients;
mod guard;
pub(crate) mod host;
pub(crate) mod models;
mod object;
mod objectives;
pub(crate) mod operation;
pub(crate) mod states;
pub(crate) mod values;
pub(crate) mod weights;

pub use decoders::Decoder;
pub use evaluators::{Evaluator, Figures};
pub use export::{Entry, Exported, open, query};
pub use families::{Axes, Decode, HuggingFace, Model};
pub use object::HostObject;
pub(crate) use object::Object;
pub use objectives::{Collate, Couple, Evaluate, Experience, Gradients, Objective, Phases};
pub(crate) use operation::Attr;
pub(crate) use operation::{one, op};
