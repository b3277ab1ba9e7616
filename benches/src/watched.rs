//! A program that runs while its memory is watched.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::error::{Error, Result};

/// How often the memory is looked at: what is allocated and freed between two looks in the last moment of a run is missed.
const PAUSE: Duration = Duration::from_millis(20);

/// A program that has ended.
pub struct Ended {
    /// What it wrote on standard output.
    pub output: String,
    /// Its largest resident memory, in MiB; 0 where the system does not tell (it is read from `/proc`).
    pub mib: f64,
}

/// Runs `command` to its end; standard error goes to `log`.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command, what: &str, log: &Path) -> Result<Ended> {
    let file = File::create(log).map_err(Error::io("create", log))?;
    let failed = |reason: String| Error::Program { what: what.to_owned(), reason, log: log.to_path_buf() };
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn();
    let mut child = started.map_err(|error| failed(error.to_string()))?;
    // A thread of its own, for an output larger than a pipe would stop the program.
    let reader = child.stdout.take().map(|mut out| std::thread::spawn(move || std::io::read_to_string(&mut out)));
    let mut mib = 0.0_f64;
    let status: ExitStatus = loop {
        mib = mib.max(peak_mib(child.id()).unwrap_or_default());
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None => std::thread::sleep(PAUSE),
        }
    };
    if !status.success() {
        return Err(failed(format!("{status}: {}", last_lines(log))));
    }
    let output = reader.and_then(|reader| reader.join().ok()).and_then(|read| read.ok()).unwrap_or_default();
    Ok(Ended { output, mib })
}

/// The end of a log, for errors.
#[must_use]
pub fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n  ")
}

/// Largest resident memory so far of the process, in MiB.
#[must_use]
pub fn peak_mib(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn output_and_failure_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let ended = run(Command::new("sh").args(["-c", "echo words"]), "the shell", &log).unwrap();
        assert_eq!(ended.output, "words\n");
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), "the shell", &log).err().unwrap();
        assert!(error.to_string().contains("why"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_peak() {
        assert!(peak_mib(std::process::id()).unwrap() > 0.5);
    }
}
