//! Collation: what a plugin sees of the samples on a data thread, and the columns it adds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use compute::layout::Layout;
use compute::{DType, Device};
use philox::Key;

use super::batch::{batch_object, listed};
use super::call::Call;
use super::memory;
use super::object::{Content, Object};
use crate::error::{Error, Result};

/// A column of one sample in plain memory.
#[derive(Debug, Clone)]
pub enum ColumnData {
    /// Truth values, bytes 0 and 1.
    Bool(Arc<[u8]>),
    /// Bytes.
    U8(Arc<[u8]>),
    /// Token ids, indices.
    U32(Arc<[u32]>),
    /// Signed integers.
    I64(Arc<[i64]>),
    /// Numbers.
    F32(Arc<[f32]>),
}

impl ColumnData {
    /// Element type, first element, number of elements.
    pub(super) fn parts(&self) -> (DType, *const u8, usize) {
        match self {
            Self::Bool(data) => (DType::Bool, data.as_ptr(), data.len()),
            Self::U8(data) => (DType::U8, data.as_ptr(), data.len()),
            Self::U32(data) => (DType::U32, data.as_ptr().cast(), data.len()),
            Self::I64(data) => (DType::I64, data.as_ptr().cast(), data.len()),
            Self::F32(data) => (DType::F32, data.as_ptr().cast(), data.len()),
        }
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().2
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bool(data) | Self::U8(data) => bytes.extend_from_slice(data),
            Self::U32(data) => data.iter().for_each(|number| bytes.extend_from_slice(&number.to_ne_bytes())),
            Self::I64(data) => data.iter().for_each(|number| bytes.extend_from_slice(&number.to_ne_bytes())),
            Self::F32(data) => data.iter().for_each(|number| bytes.extend_from_slice(&number.to_ne_bytes())),
        }
    }
}

/// One sample of a batch.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Its identity, the same in every epoch.
    pub id: u64,
    /// Its columns: `text.tokens`, `text.special`, `text.word_starts`, where there are such `text.types`, `text.label`,
    /// `text.score`, `text.tags`; `image.pixels`; `audio.features`, `audio.units`, where there are such `audio.label`,
    /// `audio.labels`, `audio.row_labels`, `audio.row_places`, `audio.text`.
    pub columns: BTreeMap<String, ColumnData>,
    /// By modality, the row of its first token in the layout.
    pub first_rows: BTreeMap<String, usize>,
}

/// Who adds columns to batches on data threads: an objective, an evaluator.
pub trait Collator: Send + Sync {
    /// The plugin's name: its draws go by it.
    fn name(&self) -> &str;

    /// Lets it add its columns, with a call made for data ([`crate::boundary::CallOptions::data`]).
    ///
    /// # Errors
    /// The plugin's error.
    fn collate(&self, call: &Arc<Call>, collation: &Collation) -> Result<()>;
}

/// A column in plain memory that a plugin added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedColumn {
    /// Element type.
    pub dtype: DType,
    /// Lengths of the axes.
    pub dims: Vec<usize>,
    /// The elements in native order.
    pub data: Vec<u8>,
}

/// One collation: the samples, the key of its draws, the columns added so far.
#[derive(Debug)]
pub struct Collation {
    samples: Vec<Sample>,
    key: Key,
    objective: String,
    epoch: u64,
    progress: Option<f64>,
    added: Mutex<BTreeMap<String, AddedColumn>>,
}

impl Collation {
    /// A collation of `samples`. Draws are keyed by (`seed`, `objective`/stream, `epoch`, sample id, position).
    #[must_use]
    pub fn new(samples: Vec<Sample>, seed: u64, objective: &str, epoch: u64) -> Self {
        let objective = objective.to_owned();
        Self { samples, key: Key::root(seed), objective, epoch, progress: None, added: Mutex::default() }
    }

    /// For training, after this share of the run's steps, in [0, 1); otherwise it is for measuring.
    #[must_use]
    pub fn with_progress(mut self, progress: f64) -> Self {
        self.progress = Some(progress);
        self
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn progress(&self) -> Option<f64> {
        self.progress
    }

    /// The samples in the order of the batch.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(super) fn sample(&self, index: usize) -> Result<&Sample> {
        self.samples.get(index).ok_or_else(|| {
            Error::new("batch/sample", format!("sample {index} is past the end of {} samples", self.samples.len()))
        })
    }

    /// Uniform draws in (0, 1): numbers `first..` of `stream` for sample `index` in an epoch, this one or an earlier one.
    ///
    /// # Errors
    /// When there is no such sample.
    pub fn draw(&self, index: usize, stream: &str, epoch: u64, first: u64, out: &mut [f64]) -> Result<()> {
        let sample = self.sample(index)?;
        let key = self.key.stream(&format!("{}/{stream}", self.objective)).at(epoch).at(sample.id);
        for (draw, number) in out.iter_mut().zip(first..) {
            *draw = key.uniform(number);
        }
        Ok(())
    }

    /// Adds a column to the batch.
    ///
    /// # Errors
    /// When the name is taken by another added column or by one of the samples, or the bytes do not fill the shape.
    pub fn add(&self, name: &str, column: AddedColumn) -> Result<()> {
        memory::check_bytes(column.dtype, &column.dims, &column.data)
            .map_err(|error| Error { text: format!("column `{name}`: {}", error.text), ..error })?;
        let of_samples = self.samples.iter().any(|sample| sample.columns.contains_key(name));
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if of_samples || added.contains_key(name) {
            return Err(Error::new("batch/column", format!("the batch has a column `{name}` already"))
                .with_help("choose another name; columns are never replaced"));
        }
        added.insert(name.to_owned(), column);
        Ok(())
    }

    /// The columns added so far.
    #[must_use]
    pub fn into_added(self) -> BTreeMap<String, AddedColumn> {
        self.added.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The column `name` of all samples, one after the other by the row of their first token.
    ///
    /// # Errors
    /// When a sample lacks it, or the samples do not lie row by row without gaps.
    pub fn concatenated(&self, name: &str) -> Result<AddedColumn> {
        let modality = name.split('.').next().unwrap_or(name);
        let mut order: Vec<&Sample> = self.samples.iter().collect();
        order.sort_by_key(|sample| sample.first_rows.get(modality).copied());
        let (mut data, mut rows, mut dtype) = (Vec::new(), 0, DType::U32);
        for sample in order {
            let column = sample.columns.get(name).ok_or_else(|| missing(sample, name))?;
            if sample.first_rows.get(modality).is_some_and(|first| *first != rows) {
                let text = format!(
                    "sample {} of `{name}` starts at row {:?}, not {rows}",
                    sample.id,
                    sample.first_rows.get(modality)
                );
                return Err(Error::new("batch/rows", text));
            }
            column.append_to(&mut data);
            rows += column.len();
            dtype = column.parts().0;
        }
        Ok(AddedColumn { dtype, dims: vec![rows], data })
    }

    /// The column `name` of all samples in their order, one after the other however long: `[m]`.
    ///
    /// # Errors
    /// When a sample lacks it.
    pub fn listed(&self, name: &str) -> Result<AddedColumn> {
        let (mut data, mut elements, mut dtype) = (Vec::new(), 0, DType::U32);
        for sample in &self.samples {
            let column = sample.columns.get(name).ok_or_else(|| missing(sample, name))?;
            column.append_to(&mut data);
            elements += column.len();
            dtype = column.parts().0;
        }
        Ok(AddedColumn { dtype, dims: vec![elements], data })
    }

    /// The column `name` of all samples in their order, a tensor of `dims` each: `[b, ..]`.
    ///
    /// # Errors
    /// When a sample lacks it or has another number of elements.
    pub fn stacked(&self, name: &str, dims: &[usize]) -> Result<AddedColumn> {
        let elements: usize = dims.iter().product();
        let (mut data, mut dtype) = (Vec::new(), DType::F32);
        for sample in &self.samples {
            let column = sample.columns.get(name).ok_or_else(|| missing(sample, name))?;
            if column.len() != elements {
                let text = format!("sample {} has {} elements of `{name}`, not {dims:?}", sample.id, column.len());
                return Err(Error::new("batch/rows", text));
            }
            dtype = column.parts().0;
            column.append_to(&mut data);
        }
        let dims = std::iter::once(self.samples.len()).chain(dims.iter().copied()).collect();
        Ok(AddedColumn { dtype, dims, data })
    }

    /// The column `name` of all samples in their order, of each so many steps of `dims` as it has, zeros behind the shorter:
    /// `[b, most, ..]`.
    ///
    /// # Errors
    /// When a sample lacks it or has a part of a step.
    pub fn padded(&self, name: &str, dims: &[usize]) -> Result<AddedColumn> {
        let step: usize = dims.iter().product::<usize>().max(1);
        let columns: Vec<&ColumnData> = self
            .samples
            .iter()
            .map(|sample| sample.columns.get(name).ok_or_else(|| missing(sample, name)))
            .collect::<Result<_>>()?;
        let most = columns.iter().map(|column| column.len()).max().unwrap_or(0);
        let (mut data, mut dtype) = (Vec::new(), DType::F32);
        for (place, (sample, column)) in self.samples.iter().zip(columns).enumerate() {
            if !column.len().is_multiple_of(step) {
                let text =
                    format!("sample {} has {} elements of `{name}`, no multiple of {dims:?}", sample.id, column.len());
                return Err(Error::new("batch/rows", text));
            }
            dtype = column.parts().0;
            column.append_to(&mut data);
            data.resize((place + 1) * most * dtype.size(), 0);
        }
        let dims = [self.samples.len(), most / step].into_iter().chain(dims.iter().copied()).collect();
        Ok(AddedColumn { dtype, dims, data })
    }
}

pub(super) fn missing(sample: &Sample, name: &str) -> Error {
    let names: Vec<String> = sample.columns.keys().cloned().collect();
    Error::new("batch/column", format!("the samples have no column `{name}`"))
        .with_help(format!("they have {}", listed(&names)))
}

/// The batch object of a step: `columns` as tensors on `device`, layouts by full name (`text.layout`).
///
/// # Errors
/// When a column can't be made on the device, or two have one name.
pub fn batch_on_device(
    columns: BTreeMap<String, AddedColumn>,
    layouts: impl IntoIterator<Item = (String, Layout)>,
    device: &Device,
) -> Result<Arc<Object>> {
    let mut contents: Vec<(String, Content)> = Vec::new();
    for (name, column) in columns {
        let tensor = memory::tensor_from_bytes(column.dtype, &column.dims, &column.data, device)?;
        contents.push((name, tensor.into()));
    }
    contents.extend(layouts.into_iter().map(|(name, layout)| (name, Content::Layout(layout))));
    batch_object(contents)
}
