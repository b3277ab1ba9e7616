//! Which samples form a batch, in which order, and their prefetching.
//!
//! Everything here is a pure function of (seed, epoch, lengths, settings): [`order`] puts the samples of an epoch in
//! order, [`Plan`] packs them into rows and rows into batches, [`Batches`] says which batch a global training step
//! trains on. No state is kept between steps, so a run that stops at step k and resumes sees the batches it would have
//! seen, and the number of data threads, micro-batches or machines changes none of them. Samples are numbers with
//! lengths; what they hold (text, sound, pictures) is not known here.
//!
//! The price of packing: the number of batches in an epoch depends on its order, so finding step k of a packed run
//! means planning every epoch before it once (milliseconds for 100,000 samples each).

mod batches;
mod error;
mod order;
mod packing;
mod prefetch;

pub use batches::{Batches, micro_batches};
pub use error::Error;
pub use order::order;
pub use packing::{BatchSettings, OPEN_ROWS, Plan, Row};
pub use prefetch::{Failure, Prefetch};
