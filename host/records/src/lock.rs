//! One process at a time trains into a run folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// The lock file's name; the file stays, the lock on it ends with the process, however that ends.
pub(crate) const LOCK: &str = ".lock";

/// Held as long as a process writes into a run folder.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of the run in `folder`.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let mut holder = String::new();
        // Content that is no text is no holder; the lock itself decides.
        let _ = file.read_to_string(&mut holder);
        let busy = || Error::Busy { path: folder.to_owned(), holder: describe(&holder) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            // Some cluster file systems know no locks: there, ask whether the process of the record still lives.
            Err(TryLockError::Error(_)) if lives_elsewhere(&holder) => return Err(busy()),
            Err(TryLockError::Error(_)) => {}
        }
        let record = format!("{} {}\n", std::process::id(), machine());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(record.as_bytes()))
            .map_err(Error::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

fn parts(holder: &str) -> Option<(u32, &str)> {
    let (pid, machine) = holder.trim().split_once(' ')?;
    Some((pid.parse().ok()?, machine))
}

fn describe(holder: &str) -> String {
    match parts(holder) {
        Some((pid, machine)) => format!("process {pid} on {machine}"),
        None => "another process".into(),
    }
}

/// Whether the recorded holder is another process that may still run; one on another machine may.
fn lives_elsewhere(holder: &str) -> bool {
    let Some((pid, on)) = parts(holder) else { return false };
    on != machine() || (pid != std::process::id() && Path::new(&format!("/proc/{pid}")).exists())
}

fn machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().replace(' ', "-"))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this-machine".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        let error = RunLock::take(folder.path()).unwrap_err();
        assert_eq!(error.code(), "run/busy");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        RunLock::take(folder.path()).unwrap();
    }

    #[test]
    fn without_locks_a_dead_process_holds_nothing_and_a_living_one_does() {
        let here = machine();
        assert!(!lives_elsewhere(&format!("{} {here}", std::process::id())));
        assert!(!lives_elsewhere(&format!("{} {here}", u32::MAX)));
        assert!(lives_elsewhere("1 another-machine"));
        assert!(!lives_elsewhere("garbage"));
        if cfg!(target_os = "linux") {
            assert!(lives_elsewhere(&format!("1 {here}")));
        }
    }
}
