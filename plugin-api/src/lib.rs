//! The one crate a Lacuna plugin links.
