//! What a model remembers of sequences that it decodes step by step.

use std::fmt;

use crate::error::Result;
use crate::layout::Layout;
use crate::raw::{HostObject, Object, states};
use crate::tensor::Tensor;

/// Tensors by name that a model keeps from step to step, held by the host, b sequences first.
///
/// A family may keep three kinds of things: tensors of a fixed size ([`State::set`]: the state of a recurrence), rows that
/// grow with the sequence ([`State::append`]), and keys and values ([`AttentionCall::remember`](crate::AttentionCall::remember)),
/// which the host lays out so that a step reads each once and copies none. Names are the family's own: `layers.3`.
///
/// The host counts the rows of each sequence and lets the positions of a step's layout continue from there; it also reorders,
/// repeats and drops sequences between steps. What a step appends counts once the step has succeeded. No gradient goes back.
#[derive(Clone)]
pub struct State(Object);

impl HostObject for State {
    fn object(&self) -> &Object {
        &self.0
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(…)")
    }
}

impl State {
    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// How many rows each sequence has before this step, `u32` `[b]`; 0 in the first step.
    ///
    /// # Errors
    /// When the host cannot tell.
    pub fn lengths(&self) -> Result<Tensor> {
        states::lengths(&self.0).map(Tensor::from_object)
    }

    /// The tensor `[b, ..]` of that name, `None` before it was first set.
    ///
    /// # Errors
    /// When the name belongs to rows.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        Ok(states::get(&self.0, name)?.map(Tensor::from_object))
    }

    /// Puts a tensor `[b, ..]` in the place of the one of that name.
    ///
    /// # Errors
    /// When its first axis is not the sequences, or the name belongs to rows.
    pub fn set(&self, name: &str, tensor: &Tensor) -> Result<()> {
        states::set(&self.0, name, tensor.object())
    }

    /// Appends the rows `[n, ..]` of this step's layout; all rows of that name `[m, ..]` with their layout. The past of a
    /// single sequence is not copied.
    ///
    /// # Errors
    /// When the rows are not those of the layout, of another kind than before, or appended twice in a step.
    pub fn append(&self, name: &str, rows: &Tensor, layout: &Layout) -> Result<(Tensor, Layout)> {
        let (all, all_layout) = states::append(&self.0, name, rows.object(), layout.object())?;
        Ok((Tensor::from_object(all), Layout::from_object(all_layout)))
    }
}
