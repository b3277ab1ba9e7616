//! Pictures by their labels: what is learnt from, and what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Instant;

use classify as _;
use experiment::Experiment;
use lacuna::conformance::beside_the_test;
use lacuna::signals::StopFlag;
use lacuna::train::{RunOptions, Session, train};
// Links the encoder, which sessions find beside this program.
use vit as _;

/// Forty pictures of 8 × 8 pixels as MNIST's files are: those of label 1 are bright at the left, of label 0 at the right.
fn experiment(folder: &Path, changes: &[&str]) -> Experiment {
    let header = |dims: &[u32]| {
        let kind = [0_u8, 0, 8, dims.len() as u8];
        kind.into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).collect::<Vec<u8>>()
    };
    let pixel = |at: usize| {
        let (picture, column) = (at / 64, at % 8);
        (usize::from((column < 4) == (picture % 2 == 1)) * 120 + (at * 37 + picture * 11) % 100) as u8
    };
    let pictures = header(&[40, 8, 8]).into_iter().chain((0..40 * 64).map(pixel)).collect::<Vec<_>>();
    std::fs::write(folder.join("a-images-idx3-ubyte"), pictures).unwrap();
    let labels = header(&[40]).into_iter().chain((0..40).map(|at| at % 2)).collect::<Vec<_>>();
    std::fs::write(folder.join("a-labels-idx1-ubyte"), labels).unwrap();
    let file = folder.join("a-images-idx3-ubyte");
    let text = format!(
        "[run]\nsteps = 60\nbatch_rows = 10\n[data.image]\nsource = 'files'\nfiles = [{file:?}]\nvalid_share = 0.3\nheight = 8\n\
         width = 8\nchannels = 1\n[model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 1\nnum_heads = 2\npatch_size = 4\n\
         [objective]\nuse = 'classify'\n[optimizer]\nlearning_rate = 0.01\n"
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    Experiment::from_text(&text, Path::new("pictures.toml"), &changes).unwrap()
}

#[test]
fn labels_of_pictures_are_learnt_with_and_without_a_class_token() {
    let folder = tempfile::tempdir().unwrap();
    for class_token in ["true", "false"] {
        let out = folder.path().join(class_token);
        let options = RunOptions {
            out: Some(out),
            resume: false,
            stop: StopFlag::default(),
            report: false,
            profile: false,
            until: None,
            started: Instant::now(),
            command: vec!["test".into()],
        };
        let change = format!("model.encoder.class_token={class_token}");
        let finished = train(experiment(folder.path(), &[&change]), &beside_the_test(), &options).unwrap();
        let held_out = finished.held_out.unwrap();
        let accuracy = held_out.metrics.iter().find(|(name, _)| name == "accuracy").unwrap().1;
        assert!(accuracy > 0.9, "{accuracy} with class_token = {class_token}");
    }
}

#[test]
fn scores_are_not_what_pictures_have() {
    let folder = tempfile::tempdir().unwrap();
    let opened =
        Session::open(experiment(folder.path(), &["objective.kind=score"]), &beside_the_test(), &mut |_, _, _| {});
    assert!(opened.err().unwrap().to_string().contains("labelled with `class`"));
}
