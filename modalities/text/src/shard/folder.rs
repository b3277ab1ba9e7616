//! A folder that appears whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The right to make one folder, held against other processes until dropped, and the place to build it in.
pub(super) struct Build {
    target: PathBuf,
    partial: PathBuf,
    old: PathBuf,
    // Unlocked when closed, also when the process is killed. The file stays: removing it would let two others hold it.
    _lock: File,
}

impl Build {
    /// Waits until no other process builds `target`, and removes what a killed one left behind.
    pub(super) fn begin(target: &Path) -> Result<Self> {
        let target = std::path::absolute(target).map_err(Error::io("find", target))?;
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = |ending: &str| target.with_file_name(format!(".{name}.{ending}"));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let lock_path = beside("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(Error::io("write", &lock_path))?;
        lock.lock().map_err(Error::io("lock", &lock_path))?;
        let build = Self { partial: beside("partial"), old: beside("old"), target, _lock: lock };
        remove(&build.partial)?;
        if build.target.exists() {
            remove(&build.old)?;
        } else if build.old.exists() {
            // Killed between the two renames: the old folder is the only whole one.
            fs::rename(&build.old, &build.target).map_err(Error::io("rename", &build.old))?;
        }
        Ok(build)
    }

    /// The empty folder to write into.
    pub(super) fn partial(&self) -> Result<&Path> {
        fs::create_dir(&self.partial).map_err(Error::io("create", &self.partial))?;
        Ok(&self.partial)
    }

    /// Puts the finished folder in its place; the one that was there goes.
    pub(super) fn finish(self) -> Result<()> {
        if self.target.exists() {
            fs::rename(&self.target, &self.old).map_err(Error::io("replace", &self.target))?;
        }
        fs::rename(&self.partial, &self.target).map_err(Error::io("write", &self.target))?;
        remove(&self.old)
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // After `finish` there is nothing at this path.
        let _ = remove(&self.partial);
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
