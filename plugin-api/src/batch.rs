//! Batches: named columns.

use std::fmt;

use lacuna_abi::kind;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::raw::{HostObject, Object, batches};
use crate::tensor::Tensor;

/// Named columns: what the data threads collated, what goes into a model, what comes out of it.
///
/// Token ids are `text.tokens`, `u32` `[n]`; the rows' layout is `text.layout`. Where the data has them: `text.types` `u32`
/// `[n]`, `text.label` `u32` `[b]`, `text.score` `f32` `[b]`, `text.tags` `i64` `[n]`. Pictures are `image.pixels` `f32`
/// `[b, c, h, w]`, with `image.label` `u32` `[b]` or `image.classes` `i64` `[b, h, w]`, −100 for none.
#[derive(Clone)]
pub struct Batch(Object);

impl HostObject for Batch {
    fn object(&self) -> &Object {
        &self.0
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batch(…)")
    }
}

impl Batch {
    /// A batch without columns.
    #[must_use]
    pub fn new() -> Self {
        Self(batches::new())
    }

    pub(crate) fn from_object(object: Object) -> Self {
        Self(object)
    }

    /// A column by its full name.
    ///
    /// # Errors
    /// When there is no such column or it is no tensor.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let column = self.column(name, kind::TENSOR, "a tensor");
        column.map(Tensor::from_object)
    }

    /// A column by its full name, `None` where there is none.
    ///
    /// # Errors
    /// When the column is no tensor.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(column) = batches::get(&self.0, name)? else { return Ok(None) };
        Self::of_kind(column, name, kind::TENSOR, "a tensor").map(|column| Some(Tensor::from_object(column)))
    }

    /// The layout of a modality's rows: the column `modality.layout`.
    ///
    /// # Errors
    /// When the batch has no such modality.
    #[track_caller]
    pub fn layout(&self, modality: &str) -> Result<Layout> {
        let column = self.column(&format!("{modality}.layout"), kind::LAYOUT, "a layout");
        column.map(Layout::from_object)
    }

    /// Another batch inside this one.
    ///
    /// # Errors
    /// When there is no such column or it is no batch.
    #[track_caller]
    pub fn batch(&self, name: &str) -> Result<Batch> {
        self.column(name, kind::BATCH, "a batch").map(Self)
    }

    /// Puts a tensor, layout, mask or batch.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn put(&self, name: &str, column: impl HostObject) -> Result<()> {
        batches::put(&self.0, name, column.object())
    }

    /// The names of the columns.
    ///
    /// # Errors
    /// When the host cannot tell.
    pub fn names(&self) -> Result<Vec<String>> {
        Ok(batches::names(&self.0)?.lines().map(str::to_owned).collect())
    }

    #[track_caller]
    fn column(&self, name: &str, kind: u32, what: &str) -> Result<Object> {
        match batches::get(&self.0, name)? {
            Some(column) => Self::of_kind(column, name, kind, what),
            None => Err(Error::new("batch/column", format!("the batch has no column `{name}`"))
                .help(format!("it has {}", self.names()?.join(", ")))),
        }
    }

    #[track_caller]
    fn of_kind(column: Object, name: &str, kind: u32, what: &str) -> Result<Object> {
        if column.kind() == kind {
            return Ok(column);
        }
        Err(Error::new("batch/kind", format!("the column `{name}` is {}, not {what}", column.kind_name())))
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
