//! Lacuna plugin mlm.
