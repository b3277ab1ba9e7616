//! Decoding: texts continued by a causal model, one token at a time.

mod decoder;
mod generate;
mod sampling;

pub use decoder::{Decoder, Reading};
pub use generate::{Ended, Generated, Limits, Times, Written, generate};
pub use sampling::{Sampler, Sampling};
