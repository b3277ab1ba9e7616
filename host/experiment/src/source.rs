//! Where a value comes from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value comes from; printed it is the remark of a resolved file: `default`, `tiny.toml, line 14`, `command line`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The schema's default.
    Default,
    /// A line of the experiment file, counted from 1; none where the file as a whole is meant.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// Its line, from 1.
        line: Option<usize>,
    },
    /// An override on the command line.
    CommandLine {
        /// The whole argument, such as `run.seed=3`.
        argument: Arc<str>,
    },
}

impl Source {
    pub(crate) fn file_only(path: &Arc<Path>) -> Self {
        Self::File { path: Arc::clone(path), line: None }
    }

    /// The file, if the value stands in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The line in the file, from 1, if the value stands in one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => *line,
            _ => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::CommandLine { .. } => f.write_str("command line"),
            Self::File { path, line } => {
                // A line break in a file's name must not end the remark that carries it.
                for letter in path.display().to_string().chars() {
                    write!(f, "{}", if letter.is_control() { '?' } else { letter })?;
                }
                line.map_or(Ok(()), |line| write!(f, ", line {line}"))
            }
        }
    }
}
