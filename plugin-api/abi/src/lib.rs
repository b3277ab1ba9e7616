//! What crosses the boundary between Lacuna's host and its plugins.
