//! The host's one error: what is wrong, where, and how to mend it.

use std::fmt;

/// The result of anything in the host.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault as a user reads it. [`fmt::Display`] gives up to three lines:
///
/// ```text
/// error[tensor/shape]: cannot multiply [32, 128, 768] by [32, 128]: last axes 768 and 128 differ
///   mlm 0.3.0 loss → transformer 0.1.0 forward, plugins/mlm/src/lib.rs, line 41
///   help: if the right side is a mask over positions, give it a last axis with `.unsqueeze(-1)`
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// A stable code: `area/kind`, for instance `config/role`.
    pub code: String,
    /// The fact in one line.
    pub text: String,
    /// File and line (0 where the file has no lines), where known.
    pub place: Option<(String, u32)>,
    /// How to mend it, where known.
    pub help: Option<Box<str>>,
    /// The calls it happened in, from the outermost: `mlm 0.3.0 loss`, `transformer 0.1.0 forward, layers.3`.
    pub frames: Vec<String>,
}

impl Error {
    /// An error without place, help and frames.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), place: None, help: None, frames: Vec::new() }
    }

    /// The same with a line on how to mend it; an empty one is none.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        let help: String = help.into();
        self.help = (!help.is_empty()).then(|| help.into_boxed_str());
        self
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.place = Some((file.into(), line));
        self
    }

    /// The same within `frames`, unless it already has some: the innermost knowledge wins.
    #[must_use]
    pub fn within(mut self, frames: Vec<String>) -> Self {
        if self.frames.is_empty() {
            self.frames = frames;
        }
        self
    }

    /// An interface of the boundary that is laid out but not served by this host.
    #[must_use]
    pub fn not_yet(interface: &str) -> Self {
        Self::new("host/not-yet", format!("`{interface}` is not in this host yet"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.text)?;
        let mut place = self.frames.join(" → ");
        if let Some((file, line)) = &self.place {
            if !place.is_empty() {
                place.push_str(", ");
            }
            place.push_str(file);
            if *line > 0 {
                place.push_str(&format!(", line {line}"));
            }
        }
        if !place.is_empty() {
            write!(f, "\n  {place}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<compute::Error> for Error {
    fn from(error: compute::Error) -> Self {
        let plain = Self::new(error.code(), error.to_string());
        match error.help() {
            Some(help) => plain.with_help(help),
            None => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_has_fact_place_and_help() {
        let error = Error::new("config/role", "no model for `encoder`")
            .at("tiny.toml", 14)
            .with_help("add a section [model.encoder]")
            .within(vec!["mlm 0.3.0 create".into()]);
        let expected = "error[config/role]: no model for `encoder`\n  mlm 0.3.0 create, tiny.toml, line 14\n  help: add a section [model.encoder]";
        assert_eq!(error.to_string(), expected);
        assert_eq!(Error::new("a/b", "c").with_help("").to_string(), "error[a/b]: c");
    }

    #[test]
    fn inner_frames_are_kept() {
        let inner = Error::new("a/b", "c").within(vec!["inner".into()]);
        assert_eq!(inner.within(vec!["outer".into()]).frames, ["inner"]);
    }
}
