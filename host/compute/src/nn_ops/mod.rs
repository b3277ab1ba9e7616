//! Fused operations of neural networks.
