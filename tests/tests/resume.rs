//! A run that was killed or stopped and then resumed leaves the same bytes as one that was not.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use lacuna_tests::Sandbox;

const STEPS: &str = "run.steps=120";
const CHECKPOINTS: &str = "checkpoint.every_steps=7";
/// What must be equal.
const FILES: [&str; 3] =
    ["checkpoints/last/model.safetensors", "checkpoints/last/optimizer.safetensors", "metrics.jsonl"];

fn arguments<'a>(out: &'a str, threads: &'a str) -> Vec<&'a str> {
    vec!["run", "tiny.toml", "--out", out, STEPS, CHECKPOINTS, threads]
}

/// Waits until the run's metrics have `lines` lines; false when it ended before.
fn reached(child: &mut Child, metrics: &Path, lines: usize) -> bool {
    let start = Instant::now();
    loop {
        let written = std::fs::read_to_string(metrics).unwrap_or_default();
        if written.lines().count() >= lines {
            return true;
        }
        if child.try_wait().expect("the child can be asked").is_some() {
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "the run does not get to {lines} lines");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[track_caller]
fn same(sandbox: &Sandbox, a: &str, b: &str) {
    for file in FILES {
        let read = |run: &str| -> Vec<u8> {
            let path: PathBuf = sandbox.file(run).join(file);
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (one, other) = (read(a), read(b));
        assert!(!one.is_empty(), "{file} is empty");
        assert!(one == other, "{file} of {a} and {b} differ");
    }
}

#[test]
fn killed_at_a_random_step_and_resumed() {
    let sandbox = Sandbox::new("mlm");
    let one = "run.data_threads=1";
    let _ = sandbox.run(&arguments("whole", one)).ended(0);
    let random =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos() as usize);
    for (number, threads) in [one, "run.data_threads=2"].into_iter().enumerate() {
        let out = format!("killed{number}");
        // Killed once or twice, at steps of no pattern, between checkpoints or while one is written.
        let first = 8 + (random / 1000 + 31 * number) % 60;
        for (leg, line) in [first, first + 25].into_iter().enumerate() {
            let mut arguments = arguments(&out, threads);
            if leg > 0 {
                arguments.push("--resume");
            }
            let mut child = sandbox.start(&arguments);
            let in_time = reached(&mut child, &sandbox.file(&out).join("metrics.jsonl"), line);
            println!("{out}: killing at line {line} of the metrics, in time: {in_time}");
            assert!(in_time, "the run ended before line {line}");
            child.kill().expect("the child can be killed");
            let _ = child.wait();
        }
        let mut arguments = arguments(&out, threads);
        arguments.push("--resume");
        let _ = sandbox.run(&arguments).ended(0);
        same(&sandbox, "whole", &out);
    }
}

#[test]
#[cfg(unix)]
fn stopped_by_a_signal_and_resumed() {
    let sandbox = Sandbox::new("mlm");
    let threads = "run.data_threads=1";
    let _ = sandbox.run(&arguments("whole", threads)).ended(0);
    for signal in ["-TERM", "-INT"] {
        let out = format!("stopped{signal}");
        let mut child = sandbox.start(&arguments(&out, threads));
        assert!(reached(&mut child, &sandbox.file(&out).join("metrics.jsonl"), 20));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("`kill` is there");
        assert!(sent.success());
        let ended = child.wait().expect("the child ends");
        assert_eq!(ended.code(), Some(75), "a run stopped by {signal} can be resumed");
        assert!(sandbox.file(&out).join("checkpoints/last/model.safetensors").is_file());
        // From its own record: no experiment file, no overrides.
        let _ = sandbox.run(&["run", "--resume", "--out", &out]).ended(0);
        same(&sandbox, "whole", &out);
    }
}

#[test]
fn other_settings_are_refused() {
    let sandbox = Sandbox::new("mlm");
    let _ = sandbox.run(&["run", "tiny.toml", "--out", "out", "run.steps=8"]).ended(0);
    let ran = sandbox
        .run(&["run", "tiny.toml", "--out", "out", "--resume", "run.steps=8", "objective.mask_rate=0.4"])
        .ended(2);
    assert!(ran.error().contains("run/changed"), "{}", ran.err);
    let ran = sandbox.run(&["run", "tiny.toml", "--out", "out"]).ended(2);
    assert!(ran.error().contains("out") && ran.error().contains("help:"), "{}", ran.err);
}

#[test]
fn a_run_is_replayed_from_its_record() {
    let sandbox = Sandbox::new("mlm");
    let _ = sandbox.run(&["run", "tiny.toml", "--out", "out"]).ended(0);
    let ran = sandbox.run(&["--json", "verify", "out"]).ended(0);
    assert_eq!(ran.json()["same"], true, "{}", ran.out);
    // A record that was tampered with does not pass.
    let path = sandbox.file("out/metrics.jsonl");
    let text = std::fs::read_to_string(&path).expect("metrics are there");
    let line = text.lines().nth(3).expect("there are more lines").to_owned();
    let changed = line.replacen("\"loss\":", "\"loss\":1", 1);
    assert_ne!(line, changed);
    sandbox.write("out/metrics.jsonl", text.replace(&line, &changed));
    let ran = sandbox.run(&["--json", "verify", "out"]).ended(1);
    assert_eq!(ran.json()["same"], false, "{}", ran.out);
}
