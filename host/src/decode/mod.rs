//! Decoding: texts continued by a causal model or answered by an encoder–decoder, one token at a time.

mod beam;
mod decoder;
mod generate;
mod sampling;

pub use beam::{Beams, search};
pub use decoder::{Decoder, Reading};
pub use generate::{Ended, Generated, Limits, Times, Written, generate};
pub use sampling::{Sampler, Sampling};
