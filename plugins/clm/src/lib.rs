//! Lacuna plugin clm.
