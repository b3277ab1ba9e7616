//! Token sequences that an objective makes in collation in place of the samples' own: cut, corrupted, joined, doubled.

use crate::batch::Batch;
use crate::collate::{Sample, Samples};
use crate::error::Result;
use crate::layout::Layout;
use crate::tensor::Tensor;

/// Sequences being made, and which of their rows predict which token.
///
/// ```no_run
/// # use plugin_api::prelude::*;
/// # fn collate(samples: &Samples) -> Result<()> {
/// let mut sequences = Sequences::default();
/// for sample in samples.iter() {
///     let tokens = sample.u32s("text.tokens")?;
///     let first_row = sequences.push(&sample, tokens.iter().copied())?;
///     sequences.predict(first_row, tokens[1]);
/// }
/// sequences.add_to(samples, "shifted") // in the loss: batch.sequences("shifted")?
/// # }
/// ```
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sequences {
    tokens: Vec<u32>,
    lengths: Vec<u32>,
    keys: Vec<i64>,
    rows: Vec<i64>,
    targets: Vec<i64>,
}

impl Sequences {
    /// Appends a sequence of a sample's and returns its first row. Its random draws in the step go by the sample, whatever
    /// else is in the batch.
    ///
    /// # Errors
    /// When the host refuses the draw of its key.
    pub fn push(&mut self, sample: &Sample<'_>, tokens: impl IntoIterator<Item = u32>) -> Result<usize> {
        let key = (sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64;
        Ok(self.push_keyed(key, tokens))
    }

    fn push_keyed(&mut self, key: i64, tokens: impl IntoIterator<Item = u32>) -> usize {
        let first_row = self.tokens.len();
        self.tokens.extend(tokens);
        self.lengths.push((self.tokens.len() - first_row) as u32);
        self.keys.push(key);
        first_row
    }

    /// The row predicts the token.
    pub fn predict(&mut self, row: usize, target: u32) {
        self.rows.push(row as i64);
        self.targets.push(i64::from(target));
    }

    /// The tokens so far.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// What is predicted so far: row and token.
    pub fn predicted(&self) -> impl Iterator<Item = (usize, u32)> {
        self.rows.iter().zip(&self.targets).map(|(&row, &target)| (row as usize, target as u32))
    }

    /// Adds the columns `NAME.tokens` `u32` `[n]`, `.lengths` `u32` `[b]`, `.keys` `i64` `[b]`, `.rows` and `.targets` `i64`
    /// `[c]`.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn add_to(&self, samples: &Samples<'_>, name: &str) -> Result<()> {
        samples.add(&format!("{name}.tokens"), &self.tokens)?;
        samples.add(&format!("{name}.lengths"), &self.lengths)?;
        samples.add(&format!("{name}.keys"), &self.keys)?;
        samples.add(&format!("{name}.rows"), &self.rows)?;
        samples.add(&format!("{name}.targets"), &self.targets)
    }
}

/// Sequences as the loss sees them.
#[derive(Debug, Clone)]
pub struct SequenceBatch {
    /// Token ids, `u32` `[n]`.
    pub tokens: Tensor,
    /// One segment for each sequence.
    pub layout: Layout,
    /// The rows that predict, `i64` `[c]`.
    pub rows: Tensor,
    /// What they predict, `i64` `[c]`.
    pub targets: Tensor,
}

impl Batch {
    /// The sequences that collation added under a name.
    ///
    /// # Errors
    /// When it did not.
    #[track_caller]
    pub fn sequences(&self, name: &str) -> Result<SequenceBatch> {
        let column = |part: &str| self.tensor(&format!("{name}.{part}"));
        Ok(SequenceBatch {
            tokens: column("tokens")?,
            layout: Layout::with_keys(&column("lengths")?, &column("keys")?),
            rows: column("rows")?,
            targets: column("targets")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_over_all_sequences() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.push_keyed(1, [7, 8]), 0);
        let first_row = sequences.push_keyed(2, [9]);
        sequences.predict(first_row, 5);
        assert_eq!((first_row, sequences.tokens()), (2, [7, 8, 9].as_slice()));
        assert_eq!(sequences.predicted().collect::<Vec<_>>(), [(2, 5)]);
        assert_eq!(sequences.lengths, [2, 1]);
    }
}
