//! Run folders: metrics, checkpoints, reports, comparisons.
