//! Which samples form a batch, in which order, and their prefetching.
