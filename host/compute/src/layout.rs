//! Token rows and where they come from.
