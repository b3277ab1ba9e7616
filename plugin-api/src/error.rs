//! Errors: a code, one line of fact, how to mend it, and the place in the plugin's source.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use lacuna_abi::Handle;

use crate::raw::Object;
use crate::raw::errors::{self, Part};

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and where in the plugin's source it was noticed.
///
/// An error of the host (a shape that does not fit, a missing role) stays the host's own: returned from a plugin
/// function it keeps its code, its places and the names of the plugins it came through.
///
/// ```
/// use plugin_api::prelude::*;
/// let error = Error::setting("random_share", "is more than `masked_share` leaves over")
///     .help("the two shares may add up to at most 1");
/// assert_eq!(error.to_string(), "setting `random_share` is more than `masked_share` leaves over");
/// assert_eq!(error.code(), "plugin/setting");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
enum Inner {
    Own { code: Cow<'static, str>, text: String, help: String, place: Option<&'static Location<'static>> },
    Host(Object),
}

impl Error {
    /// An error with a code such as `plugin/vocabulary` and one line of fact.
    #[track_caller]
    #[must_use]
    pub fn new(code: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        let place = Some(Location::caller());
        Self(Box::new(Inner::Own { code: code.into(), text: text.into(), help: String::new(), place }))
    }

    /// An error about a setting: ``setting `name` fact``.
    #[track_caller]
    #[must_use]
    pub fn setting(name: &str, fact: impl fmt::Display) -> Self {
        Self::new("plugin/setting", format!("setting `{name}` {fact}"))
    }

    /// An error about data that is not what it should be.
    #[track_caller]
    #[must_use]
    pub fn data(text: impl Into<String>) -> Self {
        Self::new("plugin/data", text)
    }

    /// An error about something the plugin does not do.
    #[track_caller]
    #[must_use]
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new("plugin/unsupported", text)
    }

    /// Says how to mend it. An error of the host keeps its own help instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        let added = text.into();
        match &mut *self.0 {
            Inner::Own { help, .. } if help.is_empty() => *help = added,
            Inner::Own { help, .. } => *help = format!("{help}; {added}"),
            Inner::Host(_) => {}
        }
        self
    }

    /// The code: a group, a slash, a name.
    #[must_use]
    pub fn code(&self) -> &str {
        match &*self.0 {
            Inner::Own { code, .. } => code,
            Inner::Host(error) => errors::part(error, Part::Code),
        }
    }

    /// One line of fact.
    #[must_use]
    pub fn text(&self) -> &str {
        match &*self.0 {
            Inner::Own { text, .. } => text,
            Inner::Host(error) => errors::part(error, Part::Text),
        }
    }

    /// How to mend it; may be empty.
    #[must_use]
    pub fn help_text(&self) -> &str {
        match &*self.0 {
            Inner::Own { help, .. } => help,
            Inner::Host(error) => errors::part(error, Part::Help),
        }
    }

    pub(crate) fn from_host(error: Object) -> Self {
        Self(Box::new(Inner::Host(error)))
    }

    /// Forgets the place: it would point into this crate.
    pub(crate) fn without_place(mut self) -> Self {
        if let Inner::Own { place, .. } = &mut *self.0 {
            *place = None;
        }
        self
    }

    pub(crate) fn into_handle(self) -> Handle {
        match *self.0 {
            Inner::Own { code, text, help, place } => errors::make(&code, &text, &help, place).into_handle(),
            Inner::Host(error) => error.into_handle(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code(), self.text())?;
        if !self.help_text().is_empty() {
            write!(f, "\n  help: {}", self.help_text())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
