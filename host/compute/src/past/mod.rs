//! What a model remembers of sequences that it decodes step by step.
//!
//! Letters: b sequences, n new rows, g heads of keys and values, k and d features of theirs.

mod attend;
mod keys_values;
mod rows;

pub use keys_values::KeysValues;
pub use rows::PastRows;
