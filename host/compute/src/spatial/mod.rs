//! Convolution, pooling and up-sampling.
