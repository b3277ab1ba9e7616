//! The host's side of the plugin boundary: handles, frames, the tables that plugins ask for, and safe instances of them.
//!
//! A plugin sees opaque handles; behind each is one counted [`Object`]. Each call of a plugin function runs in a
//! [`Frame`](frame::Frame) on a stack of its thread: operations look there for the mode, the precision of weights and the
//! random stream, and leave the first fault there. Who calls plugins uses [`ModelInstance`], [`HeadInstance`] and
//! [`ObjectiveInstance`]: they push the frame, take the fault, and check what came out.
//!
//! Invariants: no panic leaves a function of the tables; no lock or borrow is held while a plugin runs; a handle that is
//! null or of the wrong kind is an error with a text, never undefined.

mod batch;
mod batches;
mod call;
mod clock;
mod collation;
mod custom;
mod dispatch;
mod errors;
mod fault;
pub mod frame;
mod gradients;
mod guard;
mod instances;
mod items;
mod live;
mod logs;
mod loss;
mod memory;
mod models;
mod object;
mod outcomes;
mod provider;
mod scope;
mod sites;
mod state;
mod states;
mod tables;
mod tensors;
#[cfg(test)]
mod tests;
mod weights;

pub use batch::{Batch, batch_object};
pub use call::{Auxiliary, BufferUpdate, Call, CallOptions, LogSink, Thread, UpdateRule, apply_updates};
pub use clock::time_in_plugins;
pub use collation::{AddedColumn, Collation, Collator, ColumnData, Sample, batch_on_device};
pub use fault::Fault;
pub use instances::{
    DecoderInstance, Description, EvaluatorInstance, ForwardRequest, HeadInstance, ModelInstance, ObjectiveInstance,
    Phase, hugging_face_settings,
};
pub use items::{BatchItem, ItemColumn, ItemValue, Items, ItemsSoFar};
pub use live::{KINDS, Live};
pub use loss::{LossPart, LossResult, Metric, Shown};
pub use memory::tensor_from_bytes;
pub use object::{Content, Object, TensorState};
pub use outcomes::Outcomes;
pub use provider::{Provider, Table, interface, required};
pub use scope::{Context, RoleEntry, RoleTable, Roles, Scope};
pub use sites::{Listener, Listeners};
pub use state::State;
pub use tables::query;
