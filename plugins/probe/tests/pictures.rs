//! Pictures are probed as texts are: labels from their files, the rows that the model says it has.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use experiment::Experiment;
use lacuna::conformance::beside_the_test;
use lacuna::train::measure;
// Links the model, which is found beside this program.
use vit as _;

const SIDE: usize = 8;

/// Forty grey pictures, every second one with a bright square; whether it has one is its label.
fn write(folder: &Path) {
    let idx = |name: &str, dims: &[u32], numbers: &[u8]| {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|length| bytes.extend(length.to_be_bytes()));
        bytes.extend_from_slice(numbers);
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let level = |picture: usize, place: usize| {
        let (row, column) = (place / SIDE, place % SIDE);
        let square = picture % 2 == 1 && (2..6).contains(&row) && (2..6).contains(&column);
        (picture * 3 + place % 5) as u8 + if square { 100 } else { 0 }
    };
    let pixels: Vec<u8> =
        (0..40).flat_map(|picture| (0..SIDE * SIDE).map(move |place| level(picture, place))).collect();
    let labels: Vec<u8> = (0..40).map(|picture| picture % 2).collect();
    idx("images-idx3-ubyte", &[40, SIDE as u32, SIDE as u32], &pixels);
    idx("labels-idx1-ubyte", &[40], &labels);
}

fn measured(folder: &Path, changes: &[&str]) -> lacuna::error::Result<Vec<(String, f64)>> {
    let text = format!(
        "[run]\nbatch_rows = 8\n[data.image]\nsource = 'files'\nfiles = [{:?}]\nvalid_share = 0.3\nheight = {SIDE}\n\
         width = {SIDE}\nchannels = 1\n[model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 1\nnum_heads = 2\n\
         patch_size = 4\n[evaluator]\nuse = 'probe'\n",
        folder.join("images-idx3-ubyte")
    );
    let catalogue = beside_the_test();
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let experiment = Experiment::from_text(&text, &folder.join("probe.toml"), &changes).unwrap();
    measure(experiment, &catalogue).map(|(_, measured)| measured.figures)
}

#[test]
fn what_a_picture_shows_is_read_off_its_features() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let figure = |figures: &[(String, f64)], name: &str| figures.iter().find(|(own, _)| own == name).unwrap().1;
    // Random weights do: a linear layer sees the square, at any layer and by any pooling; of 14 pictures one may be missed.
    for change in ["evaluator.pooling=mean", "evaluator.pooling=first", "evaluator.layer=1"] {
        let figures = measured(folder.path(), &[change, "evaluator.penalty=0.001"]).unwrap();
        assert!(figure(&figures, "accuracy") > 0.9, "{change}: {figures:?}");
        assert!(figure(&figures, "majority") < 0.7, "{figures:?}");
    }
    // Batches and data threads change nothing but the last digits.
    let (one, other) = (
        measured(folder.path(), &["run.batch_rows=1"]).unwrap(),
        measured(folder.path(), &["run.data_threads=3"]).unwrap(),
    );
    assert_eq!(one, other);
}

#[test]
fn what_cannot_be_probed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let error = |changes: &[&str]| measured(folder.path(), changes).err().unwrap().to_string();
    let without = error(&["evaluator.pooling=first", "model.encoder.class_token=false"]);
    assert!(without.contains("the model has no class token"), "{without}");
    assert!(error(&["data.image.labelled=false"]).contains("has no labels"));
}
