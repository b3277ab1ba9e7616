//! Paths in an experiment: `${LACUNA_DATA}`, then the working directory, then the folder of the experiment file.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::source::Source;
use crate::table::{excerpt, visible};

/// The variable that a path may begin with or hold: where a lab keeps its data.
const VARIABLE: &str = "LACUNA_DATA";

/// The two folders that a relative path is looked for in, and the value of `LACUNA_DATA`.
pub(crate) struct Places {
    working: PathBuf,
    beside: PathBuf,
    data: Option<String>,
}

impl Places {
    /// The places of an experiment file.
    pub(crate) fn of(file: &Path) -> Self {
        let working = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let beside = working.join(file.parent().unwrap_or_else(|| Path::new("")));
        Self { working, beside, data: std::env::var(VARIABLE).ok() }
    }

    /// The absolute path of something that must exist.
    ///
    /// # Errors
    /// [`Error::File`] naming every place that was tried.
    pub(crate) fn find(&self, written: &str, source: &Source) -> Result<PathBuf, Error> {
        let path = self.expand(written, source)?;
        let tried =
            if path.is_absolute() { vec![path] } else { vec![self.working.join(&path), self.beside.join(&path)] };
        if let Some(found) = tried.iter().find(|path| path.exists()) {
            return absolute(found, written, source);
        }
        let mut names: Vec<_> =
            tried.iter().map(|path| format!("`{}`", visible(&path.display().to_string()))).collect();
        names.dedup();
        let reason = "there is no such file or folder".into();
        Err(refuse(written, reason, format!("looked for {}", names.join(" and then ")), source))
    }

    /// The absolute path of a folder that may be made later, in the working directory.
    ///
    /// # Errors
    /// [`Error::File`] when a variable cannot be replaced.
    pub(crate) fn place(&self, written: &str, source: &Source) -> Result<PathBuf, Error> {
        let path = self.expand(written, source)?;
        absolute(&self.working.join(path), written, source)
    }

    fn expand(&self, written: &str, source: &Source) -> Result<PathBuf, Error> {
        if written.is_empty() {
            return Err(refuse(written, "the path is empty".into(), "name a file".into(), source));
        }
        let mut out = String::new();
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            if name != VARIABLE {
                let reason = format!("`${{{}}}` is not replaced in paths", excerpt(name));
                return Err(refuse(written, reason, format!("only `${{{VARIABLE}}}` is"), source));
            }
            let Some(data) = &self.data else {
                let reason = format!("the environment variable `{VARIABLE}` is not set");
                return Err(refuse(
                    written,
                    reason,
                    format!("run `export {VARIABLE}=…` with the folder of your data"),
                    source,
                ));
            };
            out.push_str(before);
            out.push_str(data);
            rest = behind;
        }
        out.push_str(rest);
        Ok(PathBuf::from(out))
    }
}

fn absolute(path: &Path, written: &str, source: &Source) -> Result<PathBuf, Error> {
    let whole = std::path::absolute(path)
        .map_err(|error| refuse(written, error.to_string(), "give an absolute path".into(), source))?;
    // The path goes into TOML and JSON, which hold nothing but Unicode.
    match whole.to_str() {
        Some(_) => Ok(whole),
        None => {
            Err(refuse(written, "its folder's name is not UTF-8".into(), "rename or link the folder".into(), source))
        }
    }
}

fn refuse(written: &str, reason: String, remedy: String, source: &Source) -> Error {
    Error::File { path: visible(written), reason, remedy, place: Some(source.clone().into()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn places(root: &Path, data: Option<&str>) -> Places {
        Places { working: root.join("here"), beside: root.join("beside"), data: data.map(str::to_owned) }
    }

    #[test]
    fn the_working_directory_comes_first_then_the_file() {
        let root = tempfile::tempdir().unwrap();
        for name in ["here", "beside"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
            std::fs::write(root.path().join(name).join("both.txt"), name).unwrap();
        }
        std::fs::write(root.path().join("beside/only.txt"), "x").unwrap();
        let places = places(root.path(), None);
        assert_eq!(places.find("both.txt", &Source::Default).unwrap(), root.path().join("here/both.txt"));
        assert_eq!(places.find("only.txt", &Source::Default).unwrap(), root.path().join("beside/only.txt"));
        assert_eq!(places.place("new", &Source::Default).unwrap(), root.path().join("here/new"));

        let error = places.find("none.txt", &Source::Default).unwrap_err();
        let help = error.help().unwrap();
        assert_eq!(error.code(), "config/file");
        assert!(help.contains("here/none.txt") && help.contains("beside/none.txt"), "{help}");
    }

    #[test]
    fn the_variable_is_replaced_or_its_absence_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.txt"), "x").unwrap();
        let set = places(root.path(), root.path().to_str());
        assert_eq!(set.find("${LACUNA_DATA}/a.txt", &Source::Default).unwrap(), root.path().join("a.txt"));

        let unset = places(root.path(), None).find("${LACUNA_DATA}/a.txt", &Source::Default).unwrap_err();
        assert!(unset.to_string().contains("`LACUNA_DATA` is not set"), "{unset}");
        for odd in ["${HOME}/a", "${LACUNA_DATA", "${", "${}", ""] {
            assert_eq!(
                places(root.path(), None).find(odd, &Source::Default).unwrap_err().code(),
                "config/file",
                "{odd}"
            );
        }
    }
}
