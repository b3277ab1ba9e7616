//! What can be wrong with a request for batches.

/// Why no batches can be formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sample is longer than a row.
    #[error(
        "sample {sample} has length {length}, but a row holds at most {limit}: raise the row length or cut the samples shorter"
    )]
    TooLong {
        /// Number of the sample.
        sample: usize,
        /// Its length.
        length: usize,
        /// Length of a row.
        limit: usize,
    },
    /// A size that must be positive is zero.
    #[error("`{setting}` is 0: it must be at least 1")]
    Zero {
        /// Name of the setting.
        setting: &'static str,
    },
    /// There is no sample at all.
    #[error("there are no samples to form batches of: check the data files and the least sample length")]
    NoSamples,
    /// An epoch has fewer rows than one batch.
    #[error(
        "the {samples} samples of epoch {epoch} fill {filled} rows, fewer than the {rows} of one batch: make the batch smaller or add data"
    )]
    NoBatch {
        /// Number of the epoch.
        epoch: u64,
        /// Samples in it.
        samples: usize,
        /// Rows they fill.
        filled: usize,
        /// Rows in a batch.
        rows: usize,
    },
}
