//! A folder of its own for each test: a little text, a tiny experiment, a cache.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::program::{Ran, program, release_folder, repository};

/// Bytes of real text in a sandbox.
const TEXT_BYTES: usize = 12_000;

/// A folder with `text.txt` and `tiny.toml`. Removed at the end.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// A sandbox whose experiment trains `objective` with the transformer in the role `encoder`.
    ///
    /// # Panics
    /// When the disk refuses.
    #[must_use]
    pub fn new(objective: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let sandbox = Self { folder };
        let path = repository().join("tests/data/text/valid/Chesterton_Napoleon_1904.txt");
        let novel =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let end =
            novel.char_indices().map(|(place, _)| place).find(|place| *place >= TEXT_BYTES).unwrap_or(novel.len());
        sandbox.write("text.txt", &novel[..end]);
        sandbox.write("tiny.toml", experiment(objective));
        sandbox
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path inside.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file inside, folders above it included.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        let written =
            std::fs::create_dir_all(path.parent().unwrap_or(self.path())).and_then(|()| std::fs::write(&path, content));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// The program with these arguments, in this folder and with a cache of its own.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.path());
        command.env("LACUNA_CACHE", self.file("cache")).env("RAYON_NUM_THREADS", "1");
        command.env_remove("LACUNA_PLUGIN_PATH").env_remove("LACUNA_SOURCE");
        command
    }

    /// Runs the program to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Starts the program; nobody reads what it says.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program can be started")
    }

    /// A file beside the program: a built plugin's library.
    ///
    /// # Panics
    /// When it was not built.
    #[must_use]
    pub fn built(name: &str) -> PathBuf {
        let path = release_folder().join(name);
        assert!(path.is_file(), "{} is not there; build the plugins first: `cargo build --release`", path.display());
        path
    }
}

fn experiment(objective: &str) -> String {
    format!(
        "[run]\nseed = 3\nsteps = 12\nbatch_rows = 4\nlog_every_steps = 1\n\n\
         [data.text]\nfiles = [\"text.txt\"]\nvalid_share = 0.2\ntokenizer = \"bytes\"\nlength = 32\n\n\
         [model.encoder]\nfamily = \"transformer\"\nwidth = 16\nnum_layers = 1\nnum_heads = 2\n\n\
         [objective]\nuse = \"{objective}\"\n\n\
         [optimizer]\nlearning_rate = 0.003\n\n\
         [checkpoint]\nevery_steps = 4\n"
    )
}
