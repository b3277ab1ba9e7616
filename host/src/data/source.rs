//! Where samples come from, whatever they hold: text, pictures, sounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use modality_text::{LabelKind, Samples};
use philox::Key;

use crate::boundary::{AddedColumn, Collation, ColumnData};
use crate::error::Result;

/// A column of the samples that goes into every batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchColumn {
    /// One element for each row of the layout: `[n]`.
    Rows(&'static str),
    /// A tensor of these dims for each sample: `[b, ..]`.
    Stacked(&'static str, Vec<usize>),
    /// As many elements of each sample as it has, one sample after the other: `[m]`.
    Listed(&'static str),
    /// Steps of these dims, of each sample as many as it has, zeros behind the shorter: `[b, most, ..]`.
    Padded(&'static str, Vec<usize>),
}

impl BatchColumn {
    /// Its full name: `text.tokens`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rows(name) | Self::Listed(name) | Self::Stacked(name, _) | Self::Padded(name, _) => name,
        }
    }

    /// The column of all samples of a collation.
    ///
    /// # Errors
    /// When a sample lacks it or has another number of elements.
    pub fn gather(&self, collation: &Collation) -> Result<AddedColumn> {
        match self {
            Self::Rows(name) => collation.concatenated(name),
            Self::Listed(name) => collation.listed(name),
            Self::Stacked(name, dims) => collation.stacked(name, dims),
            Self::Padded(name, dims) => collation.padded(name, dims),
        }
    }
}

/// Numbered samples of one modality, read or made when asked for, from any thread.
pub trait Source: Send + Sync {
    /// The modality: what stands before the dot in the names of its columns.
    fn modality(&self) -> &'static str;

    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sound of a sample, in samples a second and the wave, where it is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sound(&self, sample: usize) -> Result<Option<(u32, Vec<f32>)>> {
        let _ = sample;
        Ok(None)
    }

    /// Rows of sample `sample` in the batch's layout.
    fn length(&self, sample: usize) -> usize;

    /// What random draws for sample `sample` are keyed by, the same in every epoch and in no other part of the data.
    fn id(&self, sample: usize) -> u64;

    /// The columns of sample `sample`, as plugins see them in collation. `augment` keys the draws of what training changes in it
    /// in this epoch; without it, for measuring, the sample is as it is.
    ///
    /// # Errors
    /// When it cannot be read any more.
    fn read(&self, sample: usize, augment: Option<Key>) -> Result<BTreeMap<String, ColumnData>>;

    /// Which of the columns go into every batch.
    fn batch_columns(&self) -> Vec<BatchColumn>;
}

impl Source for Samples {
    fn modality(&self) -> &'static str {
        "text"
    }

    fn len(&self) -> usize {
        Samples::len(self)
    }

    fn length(&self, sample: usize) -> usize {
        Samples::length(self, sample)
    }

    fn id(&self, sample: usize) -> u64 {
        Samples::id(self, sample)
    }

    fn read(&self, sample: usize, _: Option<Key>) -> Result<BTreeMap<String, ColumnData>> {
        let sample = self.get(sample);
        let mut further = BTreeMap::new();
        let mut add = |name: &str, column: Option<ColumnData>| {
            further.extend(column.map(|column| (format!("text.{name}"), column)));
        };
        add("types", self.shards().is_pairs().then(|| ColumnData::U32(sample.types.into())));
        add("label", sample.class.map(|class| ColumnData::U32(Arc::from([class]))));
        add("score", sample.score.map(|score| ColumnData::F32(Arc::from([score]))));
        add("tags", (label_kind(self) == Some(LabelKind::Tags)).then(|| ColumnData::I64(sample.tags.into())));
        let truths = |values: &[bool]| ColumnData::Bool(values.iter().map(|value| u8::from(*value)).collect());
        let mut columns = BTreeMap::from([
            ("text.special".to_owned(), truths(&sample.special)),
            ("text.word_starts".to_owned(), truths(&sample.word_starts)),
            ("text.sentence_starts".to_owned(), truths(&sample.sentence_starts)),
            ("text.paragraph_starts".to_owned(), truths(&sample.paragraph_starts)),
            ("text.tokens".to_owned(), ColumnData::U32(sample.ids.into())),
        ]);
        columns.append(&mut further);
        Ok(columns)
    }

    fn batch_columns(&self) -> Vec<BatchColumn> {
        let mut columns = vec![BatchColumn::Rows("text.tokens")];
        columns.extend(self.shards().is_pairs().then_some(BatchColumn::Rows("text.types")));
        columns.extend(label_kind(self).map(|kind| match kind {
            LabelKind::Class => BatchColumn::Stacked("text.label", Vec::new()),
            LabelKind::Score => BatchColumn::Stacked("text.score", Vec::new()),
            LabelKind::Tags => BatchColumn::Rows("text.tags"),
        }));
        columns
    }
}

fn label_kind(samples: &Samples) -> Option<LabelKind> {
    samples.shards().labels().map(|labels| labels.kind)
}

/// Samples that are shared between threads.
pub type SharedSource = Arc<dyn Source>;
