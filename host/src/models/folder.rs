//! Folders that are made whole or not at all, and never over something that is there.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Family, settings, vocabulary and heads of a model folder.
pub const MODEL_FILE: &str = "model.toml";
/// Its weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// What became of every key that was imported.
pub const IMPORT_FILE: &str = "import.json";

/// A folder under construction: it lies beside its place until it is finished, and is removed if it never is.
#[derive(Debug)]
pub struct NewFolder {
    place: PathBuf,
    beside: PathBuf,
    finished: bool,
}

impl NewFolder {
    /// Begins the folder that will be at `place`.
    ///
    /// # Errors
    /// When there is something at `place` (an empty folder may be), or the system refuses.
    pub fn begin(place: &Path) -> Result<Self> {
        let taken = match std::fs::symlink_metadata(place) {
            Err(_) => false,
            Ok(about) if about.is_dir() => std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some()),
            Ok(_) => true,
        };
        if taken {
            return Err(Error::new("run/exists", format!("`{}` is there already", place.display()))
                .with_help("nothing was written: choose another folder, or remove that one"));
        }
        let absolute = std::path::absolute(place).map_err(|error| Error::file(place, &error))?;
        let parent = absolute.parent().unwrap_or_else(|| Path::new("."));
        let name = absolute.file_name().unwrap_or_default().to_string_lossy();
        let beside = parent.join(format!(".tmp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&beside).map_err(|error| Error::file(&beside, &error))?;
        Ok(Self { place: absolute, beside, finished: false })
    }

    /// Where a file of the folder is to be written.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.beside.join(name)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file(name);
        std::fs::write(&path, bytes).map_err(|error| Error::file(&path, &error))
    }

    /// Copies a file, where it is there.
    ///
    /// # Errors
    /// When it cannot be read or the disk refuses.
    pub fn copy(&self, from: &Path, name: &str) -> Result<bool> {
        if !from.is_file() {
            return Ok(false);
        }
        std::fs::copy(from, self.file(name)).map_err(|error| Error::file(from, &error))?;
        Ok(true)
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// When the system refuses; then nothing is there.
    pub fn finish(mut self) -> Result<()> {
        std::fs::rename(&self.beside, &self.place).map_err(|error| Error::file(&self.place, &error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is left under a name that tells what it is.
            let _ = std::fs::remove_dir_all(&self.beside);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_folder_is_whole_or_not_there() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("a/b");
        let unfinished = NewFolder::begin(&place).unwrap();
        unfinished.write("x", b"1").unwrap();
        drop(unfinished);
        assert!(!place.exists());
        assert_eq!(std::fs::read_dir(root.path().join("a")).unwrap().count(), 0);

        std::fs::create_dir(&place).unwrap();
        let new = NewFolder::begin(&place).unwrap();
        new.write("x", b"1").unwrap();
        new.finish().unwrap();
        assert_eq!(std::fs::read(place.join("x")).unwrap(), b"1");
        let error = NewFolder::begin(&place).unwrap_err();
        assert!(error.code == "run/exists" && error.to_string().contains("is there already"), "{error}");
    }
}
