//! Plain operations.
