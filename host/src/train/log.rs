//! The lines that plugins log: into the run's log, warnings also on standard error.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use records::{RunFolder, utc_text};

use crate::boundary::LogSink;
use crate::error::Result;

/// Names of the levels of the boundary: debug, info, warning.
const LEVELS: [&str; 3] = ["debug", "info", "warning"];

enum Target {
    /// The run has no folder yet: models are made before anything is written.
    Held(Vec<String>),
    File(File),
}

/// Where the plugins' lines of a run go.
pub struct PluginLog(Arc<Mutex<Target>>);

impl Default for PluginLog {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Target::Held(Vec::new()))))
    }
}

impl PluginLog {
    /// What calls hand the lines to.
    #[must_use]
    pub fn sink(&self) -> LogSink {
        let target = self.0.clone();
        Arc::new(move |level, plugin, text| {
            let level = LEVELS[(level as usize).min(LEVELS.len() - 1)];
            if level == "warning" {
                eprintln!("{plugin}: {text}");
            }
            let line = format!("{} {level} {plugin}: {text}", utc_text(SystemTime::now()));
            match &mut *target.lock().unwrap_or_else(PoisonError::into_inner) {
                Target::Held(lines) => lines.push(line),
                // A log that can't be written must not end a run.
                Target::File(file) => drop(writeln!(file, "{line}")),
            }
        })
    }

    /// Writes the lines so far, and those to come, to the log of `folder`.
    ///
    /// # Errors
    /// When the log can't be opened.
    pub fn write_to(&self, folder: &RunFolder) -> Result<()> {
        let mut file = folder.open_log()?;
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Target::Held(lines) = &*target {
            // As above.
            lines.iter().for_each(|line| drop(writeln!(file, "{line}")));
        }
        *target = Target::File(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn lines_from_before_the_folder_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let log = PluginLog::default();
        let sink = log.sink();
        sink(1, "toy 0.1.0", "made");
        log.write_to(&run).unwrap();
        sink(0, "toy 0.1.0", "running");
        let text = std::fs::read_to_string(run.path().join("log.txt")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("info toy 0.1.0: made") && lines[1].ends_with("debug toy 0.1.0: running"), "{text}");
    }
}
