//! Whole runs on pictures: the same bytes for any number of data threads, and after stopping and resuming.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Instant;

use lacuna::conformance::beside_the_test;
use lacuna::signals::StopFlag;
use lacuna::train::{Finished, RunOptions, train};

const TINY: &str = "[run]\nsteps = 6\nbatch_rows = 6\nlog_every_steps = 1\n\
    [data.image]\nheight = 8\nwidth = 12\nchannels = 2\nsamples = 20\nvalid_samples = 10\n\
    [model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 2\nnum_heads = 2\npatch_size = 4\npositions = 'sincos'\n\
    [objective]\nuse = 'mae'\nmask_rate = 0.5\ndecoder_width = 8\ndecoder_layers = 1\ndecoder_heads = 2\n\
    [optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = 'constant'\n";

fn run(out: &Path, changes: &[&str], resume: bool, until: Option<u64>) -> Finished {
    let catalogue = beside_the_test();
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment = experiment::Experiment::from_text(TINY, Path::new("tiny.toml"), &changes).unwrap();
    let options = RunOptions {
        out: Some(out.to_path_buf()),
        resume,
        stop: StopFlag::default(),
        report: false,
        profile: false,
        until,
        started: Instant::now(),
        command: vec!["test".into()],
    };
    train(experiment, &catalogue, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/last/model.safetensors")).unwrap()
}

#[test]
fn data_threads_and_stopping_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let [one, many, stopped] = ["one", "many", "stopped"].map(|name| folder.path().join(name));
    let finished = run(&one, &["run.data_threads=1"], false, None);
    assert!(finished.held_out.unwrap().loss.is_finite() && finished.tokens == 36);
    run(&many, &["run.data_threads=3"], false, None);
    assert!(weights(&one) == weights(&many), "the number of data threads matters");
    run(&stopped, &[], false, Some(2));
    run(&stopped, &[], true, None);
    assert!(weights(&one) == weights(&stopped), "stopping and resuming matters");
}

/// Crops, mirrors and colours of pictures from files are drawn anew in each epoch, whichever thread reads them.
#[test]
fn data_threads_and_stopping_change_no_byte_of_pictures_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modalities/image/tests/fixtures/samples.tar.gz");
    let own = [
        "data.image.source=files".to_owned(),
        format!("data.image.files=[{:?}]", archive.display().to_string()),
        format!("data.image.valid_files=[{:?}]", archive.display().to_string()),
        format!("data.image.cache={:?}", folder.path().join("cache").display().to_string()),
        "data.image.crop=random".into(),
        "data.image.flip=0.5".into(),
        "data.image.jitter=[0.4, 0.4, 0.4, 0.1]".into(),
        "data.image.samples=10000".into(),
        "data.image.valid_samples=512".into(),
        "data.image.channels=3".into(),
        "run.batch_rows=2".into(),
    ];
    let with =
        |more: &[&str]| own.iter().cloned().chain(more.iter().map(|text| (*text).to_owned())).collect::<Vec<_>>();
    let train = |name: &str, more: &[&str], resume: bool, until: Option<u64>| {
        let changes = with(more);
        let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        run(&folder.path().join(name), &changes, resume, until)
    };
    assert!(train("one", &["run.data_threads=1"], false, None).held_out.unwrap().loss.is_finite());
    train("many", &["run.data_threads=3"], false, None);
    train("stopped", &[], false, Some(3));
    train("stopped", &[], true, None);
    train("still", &["data.image.crop=centre"], false, None);
    let of = |name: &str| weights(&folder.path().join(name));
    assert!(of("one") == of("many"), "the number of data threads matters");
    assert!(of("one") == of("stopped"), "stopping and resuming matters");
    assert!(of("one") != of("still"), "crops change nothing");
}

#[test]
fn dividing_the_batch_changes_only_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let losses = ["run.accumulation=1", "run.accumulation=3"].map(|change| {
        let finished = run(&folder.path().join(change), &[change], false, None);
        finished.held_out.unwrap().loss
    });
    assert!((losses[0] - losses[1]).abs() < 1e-4 * losses[0], "{losses:?}");
}
