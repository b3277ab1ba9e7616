//! Random tensors drawn from keys.
