//! Weights as slots.
