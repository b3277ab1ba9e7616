//! Samples in collation: plain memory on data threads, before the step.

use crate::dtype::Element;
use crate::error::Result;
use crate::raw::calls::Collation;

/// The samples of a batch that is being put together.
#[derive(Clone, Copy)]
pub struct Samples<'a>(pub(crate) Collation<'a>);

impl<'a> Samples<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.samples()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One after the other, in the order of the batch.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Sample<'a>> + use<'a> {
        let collation = self.0;
        (0..self.len()).map(move |index| Sample { collation, index })
    }

    /// The epoch, from 0.
    ///
    /// # Errors
    /// When the host cannot tell.
    pub fn epoch(&self) -> Result<u64> {
        Ok(self.0.when()?.0)
    }

    /// Whether the batch is for training; otherwise it is for measuring.
    ///
    /// # Errors
    /// When the host cannot tell.
    pub fn training(&self) -> Result<bool> {
        Ok(self.0.when()?.1)
    }

    /// The share of the run that is done before this batch, in [0, 1]; 1 when measuring. For rates that change.
    ///
    /// # Errors
    /// When the host cannot tell.
    pub fn progress(&self) -> Result<f64> {
        Ok(self.0.when()?.2)
    }

    /// Adds a column `[len]` to the batch.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn add<T: Element>(&self, name: &str, data: &[T]) -> Result<()> {
        self.0.add(name, data, &[data.len()])
    }

    /// Adds a column of any shape, row by row.
    ///
    /// # Errors
    /// When the name is taken or the lengths do not multiply to the number of elements.
    pub fn add_shaped<T: Element>(&self, name: &str, data: &[T], dims: &[usize]) -> Result<()> {
        self.0.add(name, data, dims)
    }
}

/// One sample. `text.tokens` are `u32`; `text.special` (special tokens) and `text.word_starts` are truth values, and so are
/// `text.sentence_starts` and `text.paragraph_starts`. Where the data
/// has them: of pairs `text.types` (`u32`, 0 and 1), `text.label` (`u32`, one), `text.score` (`f32`, one), and `text.tags` (`i64`,
/// −100 where a token has none: it is special, or not the first of its word).
#[derive(Clone, Copy)]
pub struct Sample<'a> {
    collation: Collation<'a>,
    index: usize,
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident $element:ty;)*) => {
        impl<'a> Sample<'a> {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// When the sample has no such column or it holds something else.
            pub fn $name(&self, name: &str) -> Result<&'a [$element]> {
                self.collation.column::<$element>(self.index, name)
            }
        )*}
    };
}

columns! {
    /// A column of token ids or row numbers.
    u32s u32;
    /// A column of truth values.
    bools bool;
    /// A column of integers.
    i64s i64;
    /// A column of bytes.
    u8s u8;
    /// A column of numbers in single precision.
    f32s f32;
    /// A column of numbers in double precision.
    f64s f64;
}

impl Sample<'_> {
    /// Its number in the batch.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The row that its first token has in the batch's layout of a modality.
    ///
    /// # Errors
    /// When the batch has no such modality.
    pub fn first_row(&self, modality: &str) -> Result<usize> {
        self.collation.first_row(self.index, modality)
    }

    /// The first `count` draws of a stream, uniform in (0, 1). They depend on seed, stream, epoch and sample alone, so
    /// the number of data threads changes nothing.
    ///
    /// # Errors
    /// When the host refuses the stream's name.
    pub fn uniforms(&self, stream: &str, count: usize) -> Result<Vec<f64>> {
        self.uniforms_from(stream, 0, count)
    }

    /// The draws number `first..first + count` of a stream.
    ///
    /// # Errors
    /// As [`Sample::uniforms`].
    pub fn uniforms_from(&self, stream: &str, first: u64, count: usize) -> Result<Vec<f64>> {
        let mut draws = vec![0.0; count];
        self.collation.draw(self.index, stream, self.collation.when()?.0, first, &mut draws)?;
        Ok(draws)
    }

    /// The first `count` draws that this sample had of a stream in an earlier epoch.
    ///
    /// # Errors
    /// As [`Sample::uniforms`].
    pub fn uniforms_of_epoch(&self, epoch: u64, stream: &str, count: usize) -> Result<Vec<f64>> {
        let mut draws = vec![0.0; count];
        self.collation.draw(self.index, stream, epoch, 0, &mut draws)?;
        Ok(draws)
    }
}
