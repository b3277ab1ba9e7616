//! Paths in an experiment: `{root}` and `${LACUNA_DATA}`, then the working directory, then the folder of the experiment file.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::source::Source;
use crate::table::{excerpt, visible};

/// The variable that a path may begin with or hold: where a lab keeps its data.
const VARIABLE: &str = "LACUNA_DATA";
/// What stands in a path for the folder of the data: `[data] root`, or else [`VARIABLE`].
const ROOT: &str = "{root}";

/// The two folders that a relative path is looked for in, the value of `LACUNA_DATA`, and `[data] root`.
pub(crate) struct Places {
    working: PathBuf,
    beside: PathBuf,
    data: Option<String>,
    root: Option<String>,
}

impl Places {
    /// The places of an experiment file.
    pub(crate) fn of(file: &Path) -> Self {
        let working = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let beside = working.join(file.parent().unwrap_or_else(|| Path::new("")));
        Self { working, beside, data: std::env::var(VARIABLE).ok(), root: None }
    }

    /// The same with `[data] root`.
    ///
    /// # Errors
    /// [`Error::File`] when there is no such folder.
    pub(crate) fn with_root(self, written: &str, source: &Source) -> Result<Self, Error> {
        if written.contains(ROOT) {
            let reason = format!("`root` says what `{ROOT}` stands for, so it cannot hold it");
            return Err(refuse(written, reason, "name the folder of your data".into(), source));
        }
        let folder = self.find(written, source)?;
        if !folder.is_dir() {
            return Err(refuse(written, "it is no folder".into(), "name the folder of your data".into(), source));
        }
        Ok(Self { root: Some(folder.to_string_lossy().into_owned()), ..self })
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
        let mut help = format!("looked for {}", names.join(" and then "));
        if written.contains(ROOT) {
            let from = if self.root.is_some() { "`[data] root`" } else { "the environment variable `LACUNA_DATA`" };
            help +=
                &format!("; `{ROOT}` is from {from}: set `data.root=DIR` or `{VARIABLE}` to the folder that holds it");
        }
        Err(refuse(written, reason, help, source))
    }

    /// As [`Places::find`], for data: behind a `#` may stand which members of an archive are meant (`novels.tar.gz#train/*`).
    ///
    /// # Errors
    /// As [`Places::find`].
    pub(crate) fn find_data(&self, written: &str, source: &Source) -> Result<PathBuf, Error> {
        let Some((archive, members)) = written.split_once('#') else { return self.find(written, source) };
        // A file whose own name has a `#` in it is that file.
        if let Ok(found) = self.find(written, source) {
            return Ok(found);
        }
        let found = self.find(archive, source)?;
        let wrong = |reason: &str, remedy: &str| Err(refuse(written, reason.into(), remedy.into(), source));
        if members.is_empty() {
            return wrong("nothing stands behind `#`", "name members of the archive: `novels.tar.gz#train/*`");
        }
        if found.is_dir() {
            return wrong(
                "what stands before `#` is a folder, not an archive",
                "name a .tar, .tar.gz, .tgz or .zip file",
            );
        }
        let mut whole = found.into_os_string();
        whole.push("#");
        whole.push(members);
        Ok(whole.into())
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
        let root = self.root.as_ref().or(self.data.as_ref());
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            if name != VARIABLE {
                let reason = format!("`${{{}}}` is not replaced in paths", excerpt(name));
                let remedy = format!("only `${{{VARIABLE}}}` and `{ROOT}` are");
                return Err(refuse(written, reason, remedy, source));
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
        if !out.contains(ROOT) {
            return Ok(PathBuf::from(out));
        }
        match root {
            Some(root) => Ok(PathBuf::from(out.replace(ROOT, root))),
            None => {
                let reason = format!("`{ROOT}` stands for the folder of your data, and nothing says which that is");
                let remedy = format!("set `data.root=DIR`, or run `export {VARIABLE}=DIR`");
                Err(refuse(written, reason, remedy, source))
            }
        }
    }
}

/// The archive and the glob over its members of a path such as `novels.tar.gz#train/*`; a path without `#`, or that is
/// there as it stands, is whole.
pub(crate) fn split_members(path: &Path) -> (PathBuf, Option<String>) {
    match path.to_str().and_then(|text| text.split_once('#')) {
        Some((archive, members)) if !path.exists() => (archive.into(), Some(members.to_owned())),
        _ => (path.to_owned(), None),
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
        Places { working: root.join("here"), beside: root.join("beside"), data: data.map(str::to_owned), root: None }
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

    #[test]
    fn the_root_comes_from_the_file_or_the_variable_and_its_absence_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["mine", "shared"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("a.txt"), name).unwrap();
        }
        let shared = dir.path().join("shared");
        let set = || places(dir.path(), shared.to_str());
        assert_eq!(set().find("{root}/a.txt", &Source::Default).unwrap(), shared.join("a.txt"));
        let mine = set().with_root(dir.path().join("mine").to_str().unwrap(), &Source::Default).unwrap();
        assert_eq!(mine.find("{root}/a.txt", &Source::Default).unwrap(), dir.path().join("mine/a.txt"));

        let unset = places(dir.path(), None).find("{root}/a.txt", &Source::Default).unwrap_err();
        assert_eq!(unset.code(), "config/file");
        let help = unset.help().unwrap();
        assert!(help.contains("`data.root=DIR`") && help.contains("LACUNA_DATA"), "{help}");
        let help = mine.find("{root}/b.txt", &Source::Default).unwrap_err().help().unwrap();
        assert!(
            help.contains("mine/b.txt") && help.contains("`[data] root`") && help.contains("LACUNA_DATA"),
            "{help}"
        );
        assert!(set().with_root("nowhere", &Source::Default).is_err());
        assert!(set().with_root("{root}/x", &Source::Default).is_err());
        assert!(set().with_root(shared.join("a.txt").to_str().unwrap(), &Source::Default).is_err());
    }

    #[test]
    fn members_of_an_archive_stand_behind_a_hash() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("here")).unwrap();
        for name in ["a.tar.gz", "b#c.txt"] {
            std::fs::write(dir.path().join("here").join(name), "x").unwrap();
        }
        let places = places(dir.path(), None);
        let found = places.find_data("a.tar.gz#train/*", &Source::Default).unwrap();
        assert_eq!(found, dir.path().join("here/a.tar.gz#train/*"));
        assert_eq!(split_members(&found), (dir.path().join("here/a.tar.gz"), Some("train/*".to_owned())));
        let whole = places.find_data("b#c.txt", &Source::Default).unwrap();
        assert_eq!(split_members(&whole), (whole.clone(), None));
        for odd in ["a.tar.gz#", "none.tar#x", "../here#x"] {
            assert_eq!(places.find_data(odd, &Source::Default).unwrap_err().code(), "config/file", "{odd}");
        }
    }
}
