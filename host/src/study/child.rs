//! A run in a process of its own: what it says is passed on, and it stops when this process does.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::signals::StopFlag;

/// The option of `lacuna run` that lets it stop when its standard input ends: however this process ends, that does.
pub(crate) const STOP_WITH_INPUT: &str = "stop-with-input";
/// Lines of what a child said that are kept for its error.
const KEPT_LINES: usize = 60;

/// How a child ended.
pub(super) enum Ended {
    /// It is done; what it says of itself.
    Done(Json),
    /// It was asked to stop and saved its state.
    Stopped,
    /// It failed, with its exit code and what it said of that.
    Failed(Option<i32>, String),
}

/// Runs this program with `arguments`; `on_line` hears each line of its standard error.
pub(super) fn run(arguments: &[String], stop: &StopFlag, on_line: &mut dyn FnMut(&str)) -> Result<Ended> {
    let program = std::env::current_exe()
        .map_err(|error| Error::new("host/program", format!("cannot find this program's own file: {error}")))?;
    let failed = |error: std::io::Error| Error::file(Path::new(&program), &error);
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    // Held open as long as the child may run; the system closes it if this process is killed.
    let mut input = child.stdin.take();
    let (mut out, err) = (child.stdout.take(), child.stderr.take());
    let (sender, lines) = channel::<String>();
    let mut said: Vec<String> = Vec::new();
    let result = std::thread::scope(|scope| {
        let result = scope.spawn(move || {
            let mut text = String::new();
            // What is no text is no result.
            let _ = out.as_mut().map(|out| out.read_to_string(&mut text));
            text
        });
        scope.spawn(move || {
            let Some(err) = err else { return };
            for line in BufReader::new(err).split(b'\n').map_while(std::io::Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        loop {
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    on_line(&line);
                    if said.len() == KEPT_LINES {
                        said.remove(0);
                    }
                    said.push(line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if stop.raised() {
                input = None;
            }
        }
        result.join().unwrap_or_default()
    });
    drop(input);
    let status = child.wait().map_err(failed)?;
    Ok(match status.code() {
        Some(0) => {
            let line = result.lines().rev().find(|line| line.starts_with('{')).unwrap_or("{}");
            Ended::Done(serde_json::from_str(line).unwrap_or_default())
        }
        Some(75) => Ended::Stopped,
        code => {
            let start = said.iter().rposition(|line| line.starts_with("error[")).unwrap_or(0);
            Ended::Failed(code, said[start..].join("\n"))
        }
    })
}
