//! Lacuna plugin misbehaving.
