//! The program `lacuna` and its plugins, as they lie beside the bench.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

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

/// Trains `plugins/mlm/experiments/tiny.toml` with `changes` and the cache in `cache`; what `--json` says of it.
///
/// # Panics
/// When the program was not built or the run fails.
#[must_use]
pub fn train_tiny(cache: &Path, changes: &[&str]) -> Json {
    let program = release_folder().join(format!("lacuna{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not there; `make bench` builds it first", program.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(program)
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
