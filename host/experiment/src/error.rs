//! What can be wrong with an experiment file: one line of fact, a place, a remedy.

use crate::source::Source;
use crate::suggest::suggest;

/// A refused experiment. Printed it is the one-line fact; [`Error::report`] adds code, place and remedy.
///
/// `what` is whose value it is (``objective `mlm` ``, `` `[run]` ``), `name` the key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key or section that nobody reads.
    #[error("{what} has no setting `{name}`")]
    UnknownSetting { what: String, name: String, known: Vec<String>, place: Box<Source> },
    /// A value of the wrong type, or a value where a section belongs.
    #[error("{what}: `{name}` must be {expected}, it is {found}")]
    Type { what: String, name: String, expected: String, found: String, place: Box<Source> },
    /// A number outside its range, not finite, or too large for 64 bits.
    #[error("{what}: `{name}` = {value} is out of range")]
    Range { what: String, name: String, value: String, allowed: String, place: Box<Source> },
    /// A text that is none of the choices.
    #[error("{what}: `{name}` cannot be `{value}`")]
    Choice { what: String, name: String, value: String, choices: Vec<String>, place: Box<Source> },
    /// A required key that is not there.
    #[error("{what} lacks `{name}`")]
    Missing { what: String, name: String, remedy: String, place: Box<Source> },
    /// Text that is not TOML, a key given twice included.
    #[error("this is not valid TOML: {message}")]
    Syntax { message: String, line: String, column: usize, place: Box<Source> },
    /// A file or folder that cannot be used; without a place it is the experiment file itself.
    #[error("cannot use `{path}`: {reason}")]
    File { path: String, reason: String, remedy: String, place: Option<Box<Source>> },
    /// A command-line override that names nothing.
    #[error("cannot apply the override `{argument}`: {reason}")]
    Override { argument: String, reason: String, remedy: String },
    /// A part of the file format that this host does not run.
    #[error("{what} is not in this host yet")]
    NotYet { what: String, remedy: String, place: Box<Source> },
    /// A study that contradicts itself, or a line of it that cannot be read.
    #[error("{reason}")]
    Study { reason: String, remedy: String, place: Box<Source> },
    /// A schema that contradicts itself: a fault of the plugin that declares it.
    #[error("{what} declares its settings wrongly: {reason}")]
    Schema { what: String, reason: String },
}

impl Error {
    /// The stable name of this kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSetting { .. } => "config/unknown-setting",
            Self::Type { .. } => "config/type",
            Self::Range { .. } => "config/range",
            Self::Choice { .. } => "config/choice",
            Self::Missing { .. } => "config/missing",
            Self::Syntax { .. } => "config/syntax",
            Self::File { .. } => "config/file",
            Self::Override { .. } => "config/override",
            Self::NotYet { .. } => "config/not-yet",
            Self::Study { .. } => "config/study",
            Self::Schema { .. } => "config/schema",
        }
    }

    /// Where the refused value stands.
    pub fn place(&self) -> Option<&Source> {
        match self {
            Self::UnknownSetting { place, .. }
            | Self::Type { place, .. }
            | Self::Range { place, .. }
            | Self::Choice { place, .. }
            | Self::Missing { place, .. }
            | Self::Syntax { place, .. }
            | Self::Study { place, .. }
            | Self::NotYet { place, .. } => Some(place),
            Self::File { place, .. } => place.as_deref(),
            Self::Override { .. } | Self::Schema { .. } => None,
        }
    }

    /// What to do about it, in one line.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::UnknownSetting { name, known, .. } if known.is_empty() => {
                format!("it has no settings: remove `{name}`")
            }
            Self::UnknownSetting { name, known, .. } => near("knows", name, known),
            Self::Choice { value, choices, .. } => near("may be", value, choices),
            Self::Type { expected, .. } if is_list_of_values(expected) => "put the value in square brackets".into(),
            Self::Type { expected, found, .. } if found.starts_with("the text") && is_bare(expected) => {
                "write it without quotation marks, as TOML writes it (`0.5`, not `.5`)".into()
            }
            Self::Type { expected, .. } => format!("give {expected}"),
            Self::Range { allowed, .. } => format!("it must be {allowed}"),
            Self::Syntax { message, column, .. } if message.contains("duplicate") => {
                format!("column {column}: this key stands further up already; keep one of the two")
            }
            Self::Syntax { line, column, .. } if line.is_empty() => format!("look at column {column}"),
            Self::Syntax { line, column, .. } => format!("look at column {column}: `{line}`"),
            Self::Missing { remedy, .. }
            | Self::File { remedy, .. }
            | Self::Override { remedy, .. }
            | Self::Study { remedy, .. }
            | Self::NotYet { remedy, .. } => remedy.clone(),
            Self::Schema { .. } => "this is a fault of the plugin, not of the experiment file".into(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The whole message as users see it: code and fact, place, help, without a line break at the end.
    pub fn report(&self) -> String {
        let mut text = format!("error[{}]: {self}", self.code());
        match self.place() {
            Some(Source::CommandLine { argument }) => text.push_str(&format!("\n  command line, `{argument}`")),
            Some(place) => text.push_str(&format!("\n  {place}")),
            None => {}
        }
        if let Some(help) = self.help() {
            text.push_str(&format!("\n  help: {help}"));
        }
        text
    }
}

fn is_list_of_values(expected: &str) -> bool {
    expected.starts_with("a list of ") && !expected.contains("section")
}

/// Whether the type is written without quotation marks.
fn is_bare(expected: &str) -> bool {
    ["a number", "a whole number", "true or false"].iter().any(|kind| expected.starts_with(kind))
}

/// «did you mean `a`? it also knows `b`, `c`».
fn near(verb: &str, word: &str, known: &[String]) -> String {
    let guess = suggest(word, known.iter().map(String::as_str));
    let others: Vec<_> =
        known.iter().filter(|name| Some(name.as_str()) != guess).map(|name| format!("`{name}`")).collect();
    match (guess, others.is_empty()) {
        (Some(guess), true) => format!("did you mean `{guess}`?"),
        (Some(guess), false) => format!("did you mean `{guess}`? it also {verb} {}", others.join(", ")),
        (None, _) => format!("it {verb} {}", others.join(", ")),
    }
}
