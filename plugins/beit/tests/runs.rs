//! Runs with a frozen tokenizer: what is predicted, what learns, the same bytes for any number of data threads.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Instant;

use experiment::Experiment;
// Links the tokenizer and the encoder, which sessions find beside this program.
use fsq as _;
use lacuna::conformance::beside_the_test;
use lacuna::signals::StopFlag;
use lacuna::train::{Finished, RunOptions, Session, train};
use vit as _;

const TINY: &str = "[run]\nsteps = 6\nbatch_rows = 6\nlog_every_steps = 1\n\
    [data.image]\nheight = 16\nwidth = 24\nchannels = 2\nsamples = 20\nvalid_samples = 10\n\
    [model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 2\nnum_heads = 2\npatch_size = 4\nmask_token = true\n\
    [model.tokenizer]\nfamily = 'fsq'\nwidth = 16\nnum_layers = 1\nnum_heads = 2\npatch_size = 4\nfrozen = true\n\
    [objective]\nuse = 'beit'\nleast_block = 4\n\
    [optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = 'constant'\n";

fn experiment(changes: &[&str]) -> Experiment {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    Experiment::from_text(TINY, Path::new("tiny.toml"), &changes).unwrap()
}

fn run(out: &Path, changes: &[&str]) -> Finished {
    let options = RunOptions {
        out: Some(out.to_path_buf()),
        resume: false,
        stop: StopFlag::default(),
        report: false,
        profile: false,
        until: None,
        started: Instant::now(),
        command: vec!["test".into()],
    };
    train(experiment(changes), &beside_the_test(), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(change: &str) -> String {
    Session::open(experiment(&[change]), &beside_the_test(), &mut |_, _, _| {}).err().unwrap().to_string()
}

#[test]
fn data_threads_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let weights =
        |name: &str| std::fs::read(folder.path().join(name).join("checkpoints/last/model.safetensors")).unwrap();
    for mask in ["blocks", "random"] {
        let names = [1, 3].map(|threads| format!("{mask}-{threads}"));
        for (threads, name) in [1, 3].iter().zip(&names) {
            let changes = [format!("run.data_threads={threads}"), format!("objective.mask={mask}")];
            run(&folder.path().join(name), &changes.each_ref().map(String::as_str));
        }
        assert!(weights(&names[0]) == weights(&names[1]), "the number of data threads matters ({mask})");
    }
}

#[test]
fn the_first_loss_is_that_of_guessing() {
    let folder = tempfile::tempdir().unwrap();
    for (levels, codes) in [("[8, 6, 5]", 240.0_f64), ("[3, 3]", 9.0)] {
        let finished = run(
            &folder.path().join(levels),
            &["run.steps=1", "optimizer.learning_rate=0.0", &format!("model.tokenizer.levels={levels}")],
        );
        let loss = finished.held_out.unwrap().loss;
        assert!((loss - codes.ln()).abs() < 0.02 * codes.ln(), "{loss} is not about ln {codes}");
    }
}

#[test]
fn the_tokenizer_does_not_learn_and_the_encoder_does() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::open(experiment(&[]), &beside_the_test(), &mut |_, _, _| {}).unwrap();
    let learning = session.stepper.weights.trainable();
    assert!(learning.iter().all(|weight| !weight.name().starts_with("tokenizer.")));
    assert!(learning.iter().any(|weight| weight.name() == "encoder.embeddings.mask_token"));
    let first =
        run(&folder.path().join("first"), &["run.steps=1", "optimizer.learning_rate=0.0"]).held_out.unwrap().loss;
    let last = run(&folder.path().join("last"), &["run.steps=60"]).held_out.unwrap().loss;
    assert!(last < first - 0.3, "{last} after {first}");
}

#[test]
fn what_cannot_be_predicted_is_refused() {
    assert!(refused("objective.mask_rate=0.0").contains("hides none of 24 patches"));
    assert!(refused("model.tokenizer.patch_size=8").contains("gives 6 codes, the encoder has 24 patches"));
    assert!(refused("model.encoder.mask_token=false").contains("no vector that stands in"));
    assert!(refused("model.tokenizer.family=vit").contains("gives no codes"));
}
