//! Named columns: a batch on the device, the inputs and outputs of a model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use compute::Tensor;
use compute::layout::Layout;

use super::object::{Content, Object, TensorState};
use crate::error::{Error, Result};

/// Columns by full name (`text.tokens`, `chosen`, `hidden`).
#[derive(Default)]
pub struct Batch {
    columns: Mutex<BTreeMap<String, Arc<Object>>>,
}

impl Batch {
    /// Puts a column.
    ///
    /// # Errors
    /// When a column of that name is there.
    pub fn put(&self, name: &str, column: Arc<Object>) -> Result<()> {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if columns.contains_key(name) {
            return Err(Error::new("batch/column", format!("the batch has a column `{name}` already"))
                .with_help("choose another name; columns are never replaced"));
        }
        columns.insert(name.to_owned(), column);
        Ok(())
    }

    /// A column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Object>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The names in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// A column that has to be a tensor.
    ///
    /// # Errors
    /// When it is missing, of another kind or poisoned.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let column = self.get(name).ok_or_else(|| self.missing(name))?;
        match column.content() {
            Content::Tensor(TensorState::Ready(tensor)) => Ok(tensor.clone()),
            Content::Tensor(TensorState::Poisoned(fault)) => Err(fault.error()),
            _ => Err(super::guard::wrong_kind(&format!("the column `{name}`"), "tensor", &column)),
        }
    }

    /// A column that has to be a layout.
    ///
    /// # Errors
    /// When it is missing or of another kind.
    pub fn layout(&self, name: &str) -> Result<Layout> {
        let column = self.get(name).ok_or_else(|| self.missing(name))?;
        match column.content() {
            Content::Layout(layout) => Ok(layout.clone()),
            _ => Err(super::guard::wrong_kind(&format!("the column `{name}`"), "layout", &column)),
        }
    }

    /// The same columns, tensors without their gradients.
    #[must_use]
    pub fn detached(&self) -> Self {
        let columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let detached = columns.iter().map(|(name, column)| match column.content() {
            Content::Tensor(TensorState::Ready(tensor)) => (name.clone(), Object::new(tensor.stop_gradient())),
            _ => (name.clone(), column.clone()),
        });
        Self { columns: Mutex::new(detached.collect()) }
    }

    fn missing(&self, name: &str) -> Error {
        Error::new("batch/column", format!("the batch has no column `{name}`"))
            .with_help(format!("it has {}", listed(&self.names())))
    }
}

pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A batch as an object with these columns.
///
/// # Errors
/// When two have one name.
pub fn batch_object(columns: impl IntoIterator<Item = (String, Content)>) -> Result<Arc<Object>> {
    let batch = Batch::default();
    for (name, column) in columns {
        batch.put(&name, Object::new(column))?;
    }
    Ok(Object::new(Content::Batch(batch)))
}
