//! Errors of the other crates as the host's.

use crate::error::Error;
use crate::loader::LoadError;

impl Error {
    /// A file or folder that the system refuses.
    #[must_use]
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new("run/file", format!("cannot use `{}`: {error}", path.display()))
    }

    /// Whether it came out of a call of a plugin.
    #[must_use]
    pub fn happened_in_a_call(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl From<experiment::Error> for Error {
    fn from(error: experiment::Error) -> Self {
        let mut converted = Self::new(error.code(), error.to_string());
        converted.place = error.place().map(|place| match (place.file(), place.line()) {
            (Some(file), line) => {
                (file.display().to_string(), line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0))
            }
            (None, _) => (place.to_string(), 0),
        });
        converted.with_help(error.help().unwrap_or_default())
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        let mut converted = Self::new(error.code(), error.to_string());
        converted.place = error.path().map(|path| (path.display().to_string(), 0));
        converted.with_help(error.help())
    }
}

impl From<records::Error> for Error {
    fn from(error: records::Error) -> Self {
        Self::new(error.code(), error.to_string()).with_help(error.help())
    }
}

impl From<batching::Failure<Error>> for Error {
    fn from(failure: batching::Failure<Error>) -> Self {
        match failure {
            batching::Failure::Failed(error) => error,
            panicked @ batching::Failure::Panicked { .. } => Self::new("host/panic", panicked.to_string()),
        }
    }
}

impl From<modality_text::Error> for Error {
    fn from(error: modality_text::Error) -> Self {
        Self::new("data/text", error.to_string())
    }
}

impl From<modality_image::Error> for Error {
    fn from(error: modality_image::Error) -> Self {
        Self::new("data/image", error.to_string())
    }
}

impl From<modality_audio::Error> for Error {
    fn from(error: modality_audio::Error) -> Self {
        Self::new("data/audio", error.to_string())
    }
}

impl From<batching::Error> for Error {
    fn from(error: batching::Error) -> Self {
        Self::new("data/batches", error.to_string())
    }
}
