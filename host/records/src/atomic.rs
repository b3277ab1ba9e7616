//! Replacing files whole: write beside, sync, rename, sync the folder.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// What unfinished files and folders are called, so that they can be told apart and swept away.
pub(crate) const UNFINISHED: &str = ".tmp-";

/// Replaces the file at `path` by `bytes`: after a crash at any moment it holds the old content or the new, whole.
///
/// # Errors
/// [`Error::Io`] naming the path; the old file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = unfinished_beside(path);
    let written = write_new(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path).map_err(Error::io("replace", path)))
        .and_then(|()| sync_folder(parent(path)));
    if written.is_err() {
        // After a successful rename there is nothing to remove, and this fails harmlessly.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.sync_all().map_err(Error::io("sync", path))
}

/// A path in the same folder that nobody else uses.
pub(crate) fn unfinished_beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    parent(path).join(format!("{UNFINISHED}{name}-{}-{number}", std::process::id()))
}

/// The folder that holds `path`; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes renames and new names in `folder` survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let file = File::open(folder).map_err(Error::io("open", folder))?;
    match file.sync_all() {
        // Some network file systems cannot sync a folder; their renames are as safe as they get.
        Err(error) if matches!(error.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other.map_err(Error::io("sync", folder)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_path_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in the way makes the rename fail after the write succeeded.
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inner")).unwrap();
        let error = write_atomic(&path, b"new").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(error.code(), "run/io");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let error = write_atomic(&folder.path().join("missing/a.txt"), b"").unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        assert!(error.help().contains("misspelling"));
    }
}
