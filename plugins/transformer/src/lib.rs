//! Lacuna plugin transformer.
