//! Derive macros of the Lacuna plugin API.
