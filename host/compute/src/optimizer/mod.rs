//! Optimizer steps.
