//! A new plugin: a crate that builds, conforms and trains at once.
//!
//! Inside this workspace it becomes `plugins/NAME`, a member like the others. Elsewhere it is a crate of its own that
//! depends on `plugin_api` by path or version. The texts lie in `templates/`; nothing that exists is ever overwritten.

mod name;
mod place;
mod write;

use std::path::PathBuf;

pub use name::PluginName;
pub use place::{Dependency, Place};
pub use write::{Written, write};

/// What the new plugin is to provide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An objective, with collation.
    Objective,
    /// A model family.
    Model,
    /// An evaluator.
    Evaluator,
}

/// A request for a new plugin.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its name.
    pub name: PluginName,
    /// What it provides.
    pub kind: Kind,
    /// Where.
    pub place: Place,
}

impl Request {
    /// The folder it will be written to.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.place.folder(&self.name)
    }
}
