//! Runs over pictures with maps of classes: what can be told from a patch is told, the same bytes for any number of data threads.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Instant;

use experiment::Experiment;
use lacuna::conformance::beside_the_test;
use lacuna::signals::StopFlag;
use lacuna::train::{RunOptions, Session, train};
// Links the encoder, which sessions find beside this program.
use vit as _;

const SIDE: usize = 16;

/// Pictures of black and white quarters, of eight by eight pixels each; white is class 1, and the upper left corner of no class.
fn write(folder: &Path) {
    let idx = |name: &str, pixels: &[u8]| {
        let mut bytes = vec![0, 0, 8, 3];
        [16, SIDE as u32, SIDE as u32].iter().for_each(|side| bytes.extend(side.to_be_bytes()));
        bytes.extend_from_slice(pixels);
        std::fs::create_dir_all(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("scenes-idx3-ubyte"), bytes).unwrap();
    };
    let white = |picture: usize, place: usize| {
        let quarter = place / SIDE / 8 * 2 + place % SIDE / 8;
        picture >> quarter & 1 == 1
    };
    let places = || (0..16).flat_map(|picture| (0..SIDE * SIDE).map(move |place| (picture, place)));
    idx("pictures", &places().map(|(picture, place)| u8::from(white(picture, place)) * 255).collect::<Vec<_>>());
    let class = |(picture, place)| if place == 0 { 9 } else { u8::from(white(picture, place)) };
    idx("maps", &places().map(class).collect::<Vec<_>>());
}

fn experiment(folder: &Path, changes: &[&str]) -> Experiment {
    let [pictures, maps] = ["pictures", "maps"].map(|name| folder.join(name).join("scenes-idx3-ubyte"));
    let text = format!(
        "[run]\nsteps = 60\nbatch_rows = 8\n[data.image]\nsource = 'files'\nfiles = [{pictures:?}]\nmaps = [{maps:?}]\n\
         valid_files = [{pictures:?}]\nvalid_maps = [{maps:?}]\nlabels = ['dark', 'light', 'nowhere']\nmaps_ignored = [9]\n\
         height = {SIDE}\nwidth = {SIDE}\nchannels = 1\ncrop = 'shifted'\npadding = 3\nflip = 0.5\n\
         [model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 1\nnum_heads = 2\npatch_size = 4\npositions = 'sincos'\n\
         [objective]\nuse = 'segment'\n[optimizer]\nlearning_rate = 0.01\n[[evaluate]]\nuse = 'loss'\nevery_steps = 60\n"
    );
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    Experiment::from_text(&text, &folder.join("scenes.toml"), &changes).unwrap()
}

fn refused(folder: &Path, change: &str) -> String {
    let opened = Session::open(experiment(folder, &[change]), &beside_the_test(), &mut |_, _, _| {});
    opened.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn what_a_patch_shows_is_segmented() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let run = |name: &str, changes: &[&str]| {
        let options = RunOptions {
            out: Some(folder.path().join(name)),
            resume: false,
            stop: StopFlag::default(),
            report: false,
            profile: false,
            until: None,
            started: Instant::now(),
            command: vec!["test".into()],
        };
        train(experiment(folder.path(), changes), &beside_the_test(), &options)
            .unwrap_or_else(|error| panic!("{error}"));
        std::fs::read(folder.path().join(name).join("checkpoints/last/model.safetensors")).unwrap()
    };
    assert_eq!(run("one", &["run.data_threads=1"]), run("three", &["run.data_threads=3"]));
    let metrics = std::fs::read_to_string(folder.path().join("one/metrics.jsonl")).unwrap();
    let valid = metrics.lines().rfind(|line| line.contains("\"miou\"")).unwrap();
    let row: serde_json::Value = serde_json::from_str(valid).unwrap();
    let figure = |name: &str| row["metrics"][name].as_f64().or_else(|| row[name].as_f64());
    // Patches lie within quarters: only where quarters meet may a pixel follow the other three.
    assert!(figure("miou").unwrap() > 0.99, "{row}");
    assert!(figure("iou_light").unwrap() > 0.99, "{row}");
    assert_eq!(figure("iou_nowhere"), None, "a class that is neither there nor predicted");
    // Corners are not counted, of dark quarters as many as of light ones.
    let counted = 16.0 * 255.0;
    assert!((figure("majority_accuracy").unwrap() - 0.5).abs() < 1e-9, "{row}");
    assert!((figure("majority_miou").unwrap() - 0.25).abs() < 1e-9, "{row}");
    let right = figure("pixel_accuracy").unwrap() * counted;
    assert!((right - right.round()).abs() < 1e-6, "{right} of {counted} pixels");
}

#[test]
fn maps_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let few = train(
        experiment(folder.path(), &["data.image.labels=[\"dark\"]"]),
        &beside_the_test(),
        &RunOptions {
            out: Some(folder.path().join("few")),
            resume: false,
            stop: StopFlag::default(),
            report: false,
            profile: false,
            until: None,
            started: Instant::now(),
            command: vec!["test".into()],
        },
    );
    let few = few.err().unwrap().to_string();
    assert!(few.contains("maps/scenes-idx3-ubyte, picture") && few.contains("class 1 in row"), "{few}");
    std::fs::copy(folder.path().join("maps/scenes-idx3-ubyte"), folder.path().join("others-idx3-ubyte")).unwrap();
    let others = folder.path().join("others-idx3-ubyte");
    let other = refused(folder.path(), &format!("data.image.maps=[{others:?}]"));
    assert!(other.contains("is called `scenes-idx3-ubyte, picture 1`"), "{other}");
}
