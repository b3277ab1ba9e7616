//! A process that writes into a run folder is killed again and again; nothing written before is ever lost.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use records::{
    CheckpointContent, CheckpointWriter, Dtype, Error, MetricsWriter, Retention, Row, RunFolder, TensorBytes,
    newest_good,
};

const FOLDER: &str = "LACUNA_TEST_RUN_FOLDER";

fn row(step: u64) -> Row {
    Row::new(step, "train").with("loss", 1.0 / step as f64)
}

fn tensors(step: u64) -> Vec<TensorBytes> {
    let bytes = (step as f32).to_le_bytes().repeat(10_000);
    vec![TensorBytes { name: "weight".into(), dtype: Dtype::F32, shape: vec![10_000], bytes }]
}

#[test]
#[ignore = "the process that the test below kills"]
fn train_until_killed() {
    let Some(path) = std::env::var_os(FOLDER) else { return };
    let run = RunFolder::resume(Path::new(&path)).unwrap();
    let start = match run.newest_good() {
        Ok(found) => found.checkpoint.step,
        Err(Error::NoCheckpoint { .. }) => 0,
        Err(error) => panic!("{error}"),
    };
    let checkpoints = CheckpointWriter::open(&run.checkpoints_path(), Retention::default()).unwrap();
    let (mut metrics, _) = MetricsWriter::resume(&run.metrics_path(), start).unwrap();
    for step in start + 1.. {
        metrics.append(&row(step)).unwrap();
        if step % 3 == 0 {
            metrics.sync().unwrap();
            let model = tensors(step);
            let (metadata, state) = (BTreeMap::new(), serde_json::Value::Null);
            let content = CheckpointContent {
                step,
                loss: Some((step % 17) as f64),
                model: &model,
                metadata: &metadata,
                optimizer: &model,
                buffers: &[],
                state: &state,
            };
            checkpoints.write(&content).unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_a_run_goes_on_from_its_last_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    RunFolder::create(&path).unwrap().write_experiment("").unwrap();
    let delays = philox::Key::root(1).stream("delays");
    let mut before = 0;
    for kill in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "train_until_killed", "--ignored"])
            .env(FOLDER, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed somewhere after its first new checkpoint, or given up on when none appears.
        let reached = || newest_good(&path.join("checkpoints")).map_or(0, |found| found.checkpoint.step);
        for _ in 0..1000 {
            if reached() > before {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_micros(delays.below(kill, 30_000)));
        assert!(RunFolder::resume(&path).is_err_and(|error| error.code() == "run/busy"));
        child.kill().unwrap();
        child.wait().unwrap();

        let run = RunFolder::resume(&path).unwrap();
        let found = run.newest_good().unwrap();
        assert!(found.skipped.is_empty(), "{:?}", found.skipped);
        let step = found.checkpoint.step;
        assert!(step > before, "kill {kill}: {before} then {step}");
        assert_eq!(found.checkpoint.model().unwrap().tensors().unwrap(), tensors(step));
        let rows = run.metrics().unwrap().rows;
        assert!(rows.len() as u64 >= step);
        assert!(rows.iter().zip(1..).all(|(found, step)| *found == row(step)));
        before = step;
    }
}
