//! Gradients against finite differences.
