//! The program under test, and what it answered.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The folder with the program and the plugins: the one above that of the test program.
///
/// # Panics
/// When the system does not tell where the test program is.
#[must_use]
pub fn release_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the system tells where the test program is");
    test.parent().and_then(Path::parent).expect("test programs lie in target/release/deps").to_path_buf()
}

/// The program `lacuna`.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let program = release_folder().join(format!("lacuna{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not there; build the program first: `cargo build --release`", program.display());
    program
}

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Runs `command` to its end.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self::from_output(&format!("{command:?}"), &output)
    }

    pub(crate) fn from_output(command: &str, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: command.to_owned(),
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The same, ended with `code`.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\nout: {}\nerr: {}", self.command, self.out, self.err);
        self
    }

    /// Standard output as one JSON value and nothing else.
    ///
    /// # Panics
    /// When it is something else.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{}\nno JSON ({error}): {}", self.command, self.out))
    }

    /// The error at the end of standard error: from the last line `error[…]` on.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn error(&self) -> String {
        let start =
            if self.err.starts_with("error[") { Some(0) } else { self.err.rfind("\nerror[").map(|place| place + 1) };
        match start {
            Some(start) => self.err[start..].trim_end().to_owned(),
            None => panic!("{}\nno error among: {}", self.command, self.err),
        }
    }
}
