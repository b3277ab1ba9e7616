//! The Python of the other side: an environment made once, and a script that answers questions.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::program::repository;
use crate::watched::last_lines;

/// Names another Python that has what is needed, instead of the one made in `target/bench-python`.
pub const PYTHON: &str = "LACUNA_BENCH_PYTHON";
/// What the other side needs, as pip takes it.
const PACKAGES: [&str; 10] = [
    "torch==2.15.*",
    "transformers",
    "safetensors",
    "numpy",
    "datasets",
    "tokenizers",
    "torchvision",
    "torchaudio",
    "soundfile",
    "pillow",
];
const IMPORTS: &str =
    "import torch, transformers, safetensors, numpy, datasets, tokenizers, tomllib; print(torch.__version__)";
/// Threads of both sides.
pub const THREADS: &str = "2";

/// A Python with PyTorch.
#[derive(Debug, Clone)]
pub struct Python {
    program: PathBuf,
    /// The version of torch.
    pub torch: String,
}

impl Python {
    /// The Python of [`PYTHON`], or the one in `target/bench-python`, which is made where it is not there: some minutes and
    /// gigabytes, once.
    ///
    /// # Errors
    /// When Python, pip or the package index is missing.
    pub fn ready() -> Result<Self> {
        let given = std::env::var_os(PYTHON).map(PathBuf::from);
        let program = match &given {
            Some(program) => program.clone(),
            None => environment(&repository().join("target/bench-python"))?,
        };
        let remedy = match given {
            Some(_) => format!("install into it: pip install {}", quoted()),
            None => "remove target/bench-python and start again".to_owned(),
        };
        let output =
            run(Command::new(&program).args(["-c", IMPORTS]), "cannot import what the comparison needs", &remedy)?;
        Ok(Self { program, torch: output.trim().to_owned() })
    }

    /// A command that runs `benches/python/SCRIPT` on two threads.
    #[must_use]
    pub fn script(&self, script: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(repository().join("benches/python").join(script)).current_dir(repository());
        // The comparison must not wait for a hub or write byte code beside the sources.
        command.envs([("HF_HUB_OFFLINE", "1"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")]);
        command.envs(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"].map(|name| (name, THREADS)));
        command
    }
}

/// The Python of the environment `folder`, made and filled where it is not whole.
fn environment(folder: &Path) -> Result<PathBuf> {
    let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let whole = folder.join("whole");
    if whole.is_file() {
        return Ok(program);
    }
    eprintln!("making a Python environment in {}: some minutes, once", folder.display());
    let remedy =
        "install Python 3.11 or newer with its `venv` module, or name a Python with torch in LACUNA_BENCH_PYTHON";
    run(Command::new("python3").args(["-m", "venv"]).arg(folder), "cannot make a virtual environment", remedy)?;
    let remedy = format!(
        "it needs pip and the package index (about 6 GB); or name a Python in LACUNA_BENCH_PYTHON that has {}",
        quoted()
    );
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&program).args(pip).args(PACKAGES), "cannot install PyTorch and its companions", &remedy)?;
    std::fs::write(&whole, PACKAGES.join("\n")).map_err(Error::io("write", &whole))?;
    Ok(program)
}

fn quoted() -> String {
    PACKAGES.map(|package| format!("'{package}'")).join(" ")
}

fn run(command: &mut Command, what: &str, remedy: &str) -> Result<String> {
    let failed = |reason: &str| Error::Python { reason: format!("{what}: {reason}"), remedy: remedy.to_owned() };
    let output = command.output().map_err(|error| failed(&format!("{:?}: {error}", command.get_program())))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.trim().lines().last().unwrap_or("it says nothing")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A script that waits for questions, one JSON object a line each way. Nothing runs in it between an answer and the next
/// question.
pub struct Script {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    what: String,
    log: PathBuf,
}

impl Script {
    /// Starts `command`, named `what` in errors, standard error in `log`; what it says once it is ready.
    ///
    /// # Errors
    /// When it cannot be started or ends at once.
    pub fn start(command: &mut Command, what: &str, log: &Path) -> Result<(Self, Json)> {
        let file = std::fs::File::create(log).map_err(Error::io("create", log))?;
        let failed = |reason: String| Error::Program { what: what.to_owned(), reason, log: log.to_path_buf() };
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).spawn();
        let mut child = started.map_err(|error| failed(error.to_string()))?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let answers = BufReader::new(answers);
        let mut script = Self { child, questions, answers, what: what.to_owned(), log: log.to_path_buf() };
        let ready = script.answer()?;
        Ok((script, ready))
    }

    /// The answer to a question, `{"do": what, …}`.
    ///
    /// # Errors
    /// When the script ended or said something else than JSON.
    pub fn ask(&mut self, what: &str, more: Json) -> Result<Json> {
        let mut question = more;
        question["do"] = json!(what);
        let sent = writeln!(self.questions, "{question}").and_then(|()| self.questions.flush());
        // Where the script is gone, its log tells more than the broken pipe.
        drop(sent);
        self.answer()
    }

    fn answer(&mut self) -> Result<Json> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        let failed = |reason: String| Error::Program { what: self.what.clone(), reason, log: self.log.clone() };
        match read {
            Ok(length) if length > 0 => {
                serde_json::from_str(&line).map_err(|error| failed(format!("it said {line:?}: {error}")))
            }
            _ => Err(failed(format!("it ended: {}", last_lines(&self.log)))),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It ends at the question to stop; where it does not, it is of no use any more.
        drop(writeln!(self.questions, "{}", json!({ "do": "stop" })));
        drop(self.child.wait());
    }
}
