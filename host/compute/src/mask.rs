//! Which position may attend to which.
