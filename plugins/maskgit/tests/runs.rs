//! Runs with a frozen tokenizer, and pictures made by them: what learns, what is refused, what guidance does.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Instant;

use experiment::Experiment;
// Links the tokenizer and the encoder, which sessions find beside this program.
use fsq as _;
use lacuna::boundary::CallOptions;
use lacuna::conformance::beside_the_test;
use lacuna::decode::{DecodeRequest, PictureCodes, Trained, decode, plugin_decoder};
use lacuna::models::{Opened, Pick, Stored};
use lacuna::signals::StopFlag;
use lacuna::train::{Finished, RunOptions, Session, train};
use maskgit as _;
use vit as _;

const TINY: &str = "steps = 6\nbatch_rows = 6\nlog_every_steps = 1\n\
    [model.encoder]\nfamily = 'vit'\ncodes = 240\nwidth = 16\nnum_layers = 2\nnum_heads = 2\npatch_size = 4\nmask_token = true\n\
    [model.tokenizer]\nfamily = 'fsq'\nwidth = 16\nnum_layers = 1\nnum_heads = 2\npatch_size = 4\nfrozen = true\n\
    [objective]\nuse = 'maskgit'\n[optimizer]\nlearning_rate = 0.01\n[schedule]\nuse = 'constant'\n";
const SYNTHETIC: &str = "[data.image]\nheight = 16\nwidth = 24\nchannels = 2\nsamples = 20\nvalid_samples = 10\n";

fn experiment(data: &str, changes: &[&str]) -> Experiment {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let (run, rest) = TINY.split_once("[model.encoder]").unwrap();
    let text = format!("[run]\n{run}{data}[model.encoder]{rest}");
    Experiment::from_text(&text, Path::new("tiny.toml"), &changes).unwrap()
}

fn run(out: &Path, data: &str, changes: &[&str]) -> Finished {
    let options = RunOptions {
        out: Some(out.to_path_buf()),
        resume: false,
        stop: StopFlag::default(),
        report: true,
        profile: false,
        until: None,
        started: Instant::now(),
        command: vec!["test".into()],
    };
    train(experiment(data, changes), &beside_the_test(), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(change: &str) -> String {
    Session::open(experiment(SYNTHETIC, &[change]), &beside_the_test(), &mut |_, _, _| {}).err().unwrap().to_string()
}

/// Twelve labelled pictures of 8 × 8 pixels, half of them bright, as MNIST's files are; the section of an experiment that reads them.
fn labelled(folder: &Path) -> String {
    let header = |dims: &[u32]| {
        let kind = [0_u8, 0, 8, dims.len() as u8];
        kind.into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).collect::<Vec<u8>>()
    };
    let pixels = (0..12 * 64).map(|at: usize| (at / 64 % 2 * 150 + at % 64) as u8);
    std::fs::write(
        folder.join("a-images-idx3-ubyte"),
        header(&[12, 8, 8]).into_iter().chain(pixels).collect::<Vec<_>>(),
    )
    .unwrap();
    let labels = (0..12).map(|at| at % 2);
    std::fs::write(folder.join("a-labels-idx1-ubyte"), header(&[12]).into_iter().chain(labels).collect::<Vec<_>>())
        .unwrap();
    let file = folder.join("a-images-idx3-ubyte");
    format!(
        "[data.image]\nsource = 'files'\nfiles = [{file:?}]\nvalid_files = [{file:?}]\nheight = 8\nwidth = 8\nchannels = 1\n"
    )
}

#[test]
fn data_threads_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let weights = [1, 3].map(|threads| {
        let out = folder.path().join(threads.to_string());
        run(&out, SYNTHETIC, &[&format!("run.data_threads={threads}")]);
        std::fs::read(out.join("checkpoints/last/model.safetensors")).unwrap()
    });
    assert!(weights[0] == weights[1], "the number of data threads matters");
}

#[test]
fn the_first_loss_is_that_of_guessing_and_falls() {
    let folder = tempfile::tempdir().unwrap();
    let loss = |name: &str, changes: &[&str]| run(&folder.path().join(name), SYNTHETIC, changes).held_out.unwrap().loss;
    let first = loss("first", &["run.steps=1", "optimizer.learning_rate=0.0"]);
    assert!((first - 240_f64.ln()).abs() < 0.02 * 240_f64.ln(), "{first}");
    let last = loss("last", &["run.steps=60"]);
    assert!(last < first - 0.3, "{last} after {first}");
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(refused("model.encoder.codes=9").contains("set `codes` to 240"), "{}", refused("model.encoder.codes=9"));
    assert!(refused("model.encoder.codes=0").contains("reads 0 codes"));
    assert!(refused("model.encoder.mask_token=false").contains("no vector that stands in"));
    assert!(refused("model.tokenizer.patch_size=8").contains("gives 6 codes, the encoder has 24"));
    assert!(refused("model.tokenizer.family=vit").contains("gives no codes"));
    assert!(refused("model.encoder.labels=3").contains("label"));
}

#[test]
fn pictures_are_made_for_labels_and_guidance_weighs_them() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (labelled(folder.path()), folder.path().join("run"));
    run(&out, &data, &["model.encoder.labels=2", "run.steps=30"]);
    let catalogue = beside_the_test();
    let stored = Stored::all(&out, &Pick::default()).unwrap();
    let opened: Vec<Opened> = stored.into_iter().map(|stored| Opened::build(stored, &catalogue).unwrap()).collect();
    let trained = Trained {
        models: opened.iter().map(|opened| (opened.stored.role.clone(), opened.model.clone())).collect(),
        weights: opened[0].context.weights.clone(),
        facts: opened[0].context.facts.clone(),
        options: CallOptions { ..opened[0].evaluation() },
    };
    let codes = PictureCodes::find(&opened).unwrap();
    assert_eq!((codes.patches, codes.labels.len()), (4, 2));
    assert_eq!((codes.label("1").unwrap(), codes.label("2").unwrap_err().code()), (1, "config/label"));
    let made = |settings: &[&str], label: Option<u32>, batch: usize| {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let decoder = plugin_decoder(&catalogue, "maskgit", &settings, &trained).unwrap();
        let prompts = [label.into_iter().collect::<Vec<u32>>()];
        let request = DecodeRequest { prompts: &prompts, samples: 8, length: codes.patches, seed: 3, batch };
        let decoded = decode(&decoder, &trained.options, request).unwrap_or_else(|error| panic!("{error}"));
        (decoded.sequences, decoded.network_calls.iter().sum::<u64>())
    };
    // A weight of 0 leaves the label out, of 1 takes it as it is; neither runs the network twice.
    assert_eq!(made(&["guidance=0.0"], Some(1), 8), made(&[], None, 8));
    assert_eq!(made(&["guidance=1.0"], Some(1), 8), made(&[], Some(1), 8));
    assert_ne!(made(&[], Some(0), 8).0, made(&[], Some(1), 8).0);
    assert_eq!(made(&["guidance=2.5", "steps=3"], Some(1), 8).1, 6);
    // What a picture becomes does not depend on those beside it.
    assert_eq!(made(&[], Some(1), 8).0, made(&[], Some(1), 3).0);
    let pictures = codes.pictures(&made(&["steps=1"], None, 8).0).unwrap();
    assert!(pictures.len() == 8 && pictures.iter().all(|picture| picture.len() == 64));
}
