//! Names of plugins: what cargo, Rust and an experiment file all accept.

use crate::error::{Error, Result};

/// Words that Rust keeps for itself, and crate names that would hide others.
const TAKEN: [&str; 58] = [
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "std",
    "core",
    "alloc",
    "test",
    "plugin_api",
    "lacuna",
];

/// A checked name: lower-case letters, digits, `-` and `_`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginName(String);

impl PluginName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it has other letters, begins otherwise, is too long, or is a word of Rust.
    pub fn new(name: &str) -> Result<Self> {
        let wrong = |fact: &str| {
            Err(Error::new("config/plugin-name", format!("`{}` {fact}", name.escape_debug())).with_help(
                "a plugin's name has lower-case letters, digits, `-` and `_`, and begins with a letter: `span-mlm`",
            ))
        };
        let letters =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_');
        match name {
            "" => wrong("is no name"),
            name if !name.starts_with(|first: char| first.is_ascii_lowercase()) => {
                wrong("does not begin with a lower-case letter")
            }
            name if !name.chars().all(letters) => wrong("has letters that a plugin's name cannot have"),
            name if name.len() > 64 => wrong("is longer than 64 letters"),
            name if TAKEN.contains(&name.replace('-', "_").as_str()) => wrong("is a name that Rust or Lacuna keeps"),
            name => Ok(Self(name.to_owned())),
        }
    }

    /// The name as experiments write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its main type: `SpanMlm` of `span-mlm`.
    #[must_use]
    pub fn type_name(&self) -> String {
        let parts = self.0.split(['-', '_']).filter(|part| !part.is_empty());
        parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_become_types() {
        for (name, expected) in [("span", "Span"), ("span-mlm", "SpanMlm"), ("a_b2--c", "AB2C")] {
            assert_eq!(PluginName::new(name).unwrap().type_name(), expected);
        }
    }

    #[test]
    fn wrong_names_are_told_apart() {
        let cases = [
            ("", "is no name"),
            ("2d", "does not begin"),
            ("-a", "does not begin"),
            ("Span", "does not begin"),
            ("spän", "has letters"),
            ("a b", "has letters"),
            ("../a", "does not begin"),
            ("a/b", "has letters"),
            ("loop", "keeps"),
            ("plugin-api", "keeps"),
        ];
        for (name, fact) in cases {
            let error = PluginName::new(name).unwrap_err().to_string();
            assert!(error.contains(fact) && error.contains("help:"), "{name}: {error}");
        }
        assert!(PluginName::new(&"a".repeat(65)).is_err());
    }
}
