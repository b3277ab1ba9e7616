//! `provenance.json`: what a run was made of.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::tensors::map;

/// A file that a run depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// What it is called in the experiment: a plugin's or data set's name.
    pub name: String,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it was.
    pub path: String,
    /// The blake3 hash of its bytes, hexadecimal.
    pub blake3: String,
}

impl FileFacts {
    /// The facts of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of(name: &str, version: &str, path: &Path) -> Result<Self> {
        Ok(Self {
            name: name.into(),
            version: version.into(),
            path: path.display().to_string(),
            blake3: hash_file(path)?,
        })
    }
}

/// A later start of the same run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// When, UTC.
    pub started: String,
    /// After which step it went on.
    pub step: u64,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// What a run was made of, as far as the resolved experiment does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// When it was started, UTC.
    pub started: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The program itself.
    pub host: FileFacts,
    /// The plugins it used.
    pub plugins: Vec<FileFacts>,
    /// The data files it read.
    pub data: Vec<FileFacts>,
    /// Whatever else matters: versions, device, threads, operating system. In order of insertion.
    pub facts: Map<String, Value>,
    /// Each later start.
    pub resumed: Vec<Resumption>,
}

/// The blake3 hash of a file's bytes, hexadecimal.
///
/// # Errors
/// [`Error::Io`].
pub fn hash_file(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    let hash = if length == 0 { blake3::hash(b"") } else { blake3::hash(&map(path)?) };
    Ok(hash.to_string())
}

/// A time as `2026-01-31 12:59:59 UTC`.
#[must_use]
pub fn utc_text(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted in years that begin in March, so that the leap day is the last one; an era is 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc_text(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
