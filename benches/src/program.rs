//! The program `lacuna` and its plugins, as they lie beside the bench.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::python::THREADS;
use crate::watched;

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The folder with the program and the plugins: the one above that of the bench.
///
/// # Panics
/// When the system does not tell where the bench is.
#[must_use]
pub fn release_folder() -> PathBuf {
    let bench = std::env::current_exe().expect("the system tells where the bench is");
    bench.parent().and_then(Path::parent).expect("benches lie in target/release/deps").to_path_buf()
}

/// The program.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let program = release_folder().join(format!("lacuna{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not there; `make bench` builds it first", program.display());
    program
}

/// The folder of a case, `target/bench/CASE`: empty when the case begins, left behind for a look.
pub struct Work {
    folder: PathBuf,
}

impl Work {
    /// The emptied folder of `case`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(case: &str) -> Result<Self> {
        let folder = Self::kept(case);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Error::io("empty", &folder))?;
        }
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        Ok(Self { folder })
    }

    /// Where the last measurement of `case` left its files, if there was one.
    #[must_use]
    pub fn kept(case: &str) -> PathBuf {
        repository().join("target/bench").join(case)
    }

    /// Its path.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path inside.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The program with these arguments: on two threads, with one cache for all cases, in the root of the repository.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(repository()).env("RAYON_NUM_THREADS", THREADS);
        command.env("LACUNA_CACHE", self.folder.with_file_name("cache")).env_remove("LACUNA_PLUGIN_PATH");
        command
    }
}

/// What the program said with `--json`, and what it needed.
pub struct Said {
    /// What it said.
    pub json: Json,
    /// Its largest resident memory, in MiB.
    pub mib: f64,
}

/// Runs the program to its end; `name` names the log in the folder of the case.
///
/// # Errors
/// When it fails or says no JSON.
pub fn lacuna(arguments: &[&str], work: &Work, name: &str) -> Result<Said> {
    let log = work.path(&format!("lacuna-{name}.log"));
    let what = format!("lacuna {}", arguments.join(" "));
    let ended = watched::run(&mut work.command(arguments), &what, &log)?;
    let json = serde_json::from_str(&ended.output).map_err(|error| Error::Program {
        what,
        reason: format!("it said {:?}: {error}", ended.output),
        log,
    })?;
    Ok(Said { json, mib: ended.mib })
}

/// Trains `plugins/mlm/experiments/tiny.toml` with `changes` and the cache in `cache`; what `--json` says of it.
///
/// # Panics
/// When the program was not built or the run fails.
#[must_use]
pub fn train_tiny(cache: &Path, changes: &[&str]) -> Json {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(program())
        .args(["run", "plugins/mlm/experiments/tiny.toml", "--json"])
        .args(changes)
        .arg("--out")
        .arg(folder.path().join("run"))
        .env("LACUNA_CACHE", cache)
        .current_dir(repository())
        .output()
        .expect("the program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// A number of what `--json` says.
///
/// # Panics
/// When it says no such number.
#[must_use]
pub fn number(result: &Json, key: &str) -> f64 {
    result[key].as_f64().unwrap_or_else(|| panic!("--json gives no number `{key}`: {result}"))
}
