//! A head of a model: from hidden rows to logits.

use std::sync::Arc;

use super::model::ModelInstance;
use crate::boundary::call::{Call, Thread};
use crate::boundary::guard;
use crate::boundary::object::{Content, Object, TensorState};
use crate::error::{Error, Result};

/// A head, built by the family of its model.
pub struct HeadInstance {
    model: Arc<ModelInstance>,
    kind: String,
    size: u64,
    number: u64,
}

impl HeadInstance {
    pub(super) fn new(model: Arc<ModelInstance>, kind: &str, size: u64, number: u64) -> Self {
        Self { model, kind: kind.to_owned(), size, number }
    }

    /// The model it belongs to.
    #[must_use]
    pub fn model(&self) -> &Arc<ModelInstance> {
        &self.model
    }

    /// `tokens`, `classes`, `scalar` or `values`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Classes or values; 0 where the kind has no size.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Logits `[n, size]` of `hidden` `[n, width]`, which listeners at the site `heads.KIND` see first.
    ///
    /// # Errors
    /// The first fault of the call, the plugin's error, or `plugin/shape` for logits of another shape.
    pub fn apply(&self, call: &Arc<Call>, hidden: &Arc<Object>) -> Result<Arc<Object>> {
        if call.options().thread == Thread::Data {
            return Err(Error::new("thread/data", format!("the head `{}` is applied on a data thread", self.kind)));
        }
        let rows_nd = match hidden.content() {
            Content::Tensor(TensorState::Ready(rows_nd)) => rows_nd,
            Content::Tensor(TensorState::Poisoned(fault)) => return Err(fault.error()),
            _ => return Err(guard::wrong_kind("the hidden rows", "tensor", hidden)),
        };
        let rows = rows_nd.dims().first().copied().unwrap_or(1);
        let replaced = call.options().listeners.pass(self.model.role(), &format!("heads.{}", self.kind), rows_nd)?;
        let replaced = replaced.map(Object::new);
        let hidden = replaced.as_ref().unwrap_or(hidden);
        let plugin = &self.model.callee().plugin;
        let logits = self.model.apply(call, self.number, &self.kind, hidden)?;
        let logits = logits.ok_or_else(|| {
            Error::new("plugin/output", format!("the head `{}` of {plugin} gives nothing", self.kind))
        })?;
        let width = match self.kind.as_str() {
            "scalar" => Some(1),
            "classes" | "values" if self.size > 0 => Some(self.size as usize),
            _ => None,
        };
        self.model.check_rows(&logits, &format!("head `{}`", self.kind), rows, width)?;
        Ok(logits)
    }
}
