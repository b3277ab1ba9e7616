//! What was trained is exported as `ViTForMaskedImageModeling`, computed positions too, and gives the same when it comes back.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use experiment::Experiment;
use lacuna::conformance::beside_the_test;
use lacuna::features::{Pixels, picture_features};
use lacuna::huggingface::{ExportOptions, ImportOptions, export, import};
use lacuna::models::{Opened, Pick};
use lacuna::signals::StopFlag;
use lacuna::train::{RunOptions, train};
use records::{Dtype, TensorBytes, TensorFile, write_tensors};
// Links the encoder, which sessions find beside this program.
use vit as _;

/// Hidden rows and predicted pixels of two pictures.
fn features(place: &Path, pixels: &Path) -> Vec<TensorBytes> {
    let opened = Opened::open(place, &Pick::default(), &beside_the_test()).unwrap();
    let (read, out) = (Pixels::read(pixels, opened.stored.pictures().unwrap()).unwrap(), place.join("features"));
    picture_features(&opened, &read, &out, 2, true, &mut |_, _| {}).unwrap();
    TensorFile::open(&out).unwrap().tensors().unwrap()
}

#[test]
fn a_run_goes_out_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for positions in ["sincos", "learned"] {
        let text = format!(
            "[run]\nsteps = 3\nbatch_rows = 4\n[data.image]\nheight = 8\nwidth = 12\nchannels = 2\nsamples = 12\nvalid_samples = 4\n\
             [model.encoder]\nfamily = 'vit'\nwidth = 16\nnum_layers = 2\nnum_heads = 2\npatch_size = 4\nmask_token = true\n\
             positions = '{positions}'\n[objective]\nuse = 'simmim'\nmask_size = 4\n"
        );
        let place = |name: &str| folder.path().join(format!("{positions}-{name}"));
        let options = RunOptions {
            out: Some(place("run")),
            resume: false,
            stop: StopFlag::default(),
            report: false,
            profile: false,
            until: None,
            started: Instant::now(),
            command: vec!["test".into()],
        };
        let experiment = Experiment::from_text(&text, Path::new("tiny.toml"), &[]).unwrap();
        train(experiment, &beside_the_test(), &options).unwrap_or_else(|error| panic!("{error}"));
        let options =
            ExportOptions { place: place("run"), pick: Pick::default(), out: place("out"), shard_size: u64::MAX };
        let exported = export(&options, &beside_the_test()).unwrap_or_else(|error| panic!("{positions}: {error}"));
        assert_eq!(exported.architecture, "ViTForMaskedImageModeling");
        assert!(exported.left_out.is_empty(), "{:?}", exported.left_out);
        let options = ImportOptions { folder: place("out"), out: place("back"), family: None };
        import(&options, &beside_the_test(), &mut |_, _| {}).unwrap_or_else(|error| panic!("{positions}: {error}"));
        let (shape, pixels) = (vec![2, 2, 8, 12], place("pixels"));
        let bytes = (0..2 * 2 * 8 * 12).flat_map(|at| ((at as f32 * 0.7).sin()).to_le_bytes()).collect();
        let given = TensorBytes { name: "pixels".into(), dtype: Dtype::F32, shape, bytes };
        write_tensors(&pixels, &[given], &BTreeMap::new()).unwrap();
        let (before, after) = (features(&place("run"), &pixels), features(&place("back"), &pixels));
        assert!(before.iter().any(|tensor| tensor.name == "values"), "the head went along");
        assert!(before == after, "{positions}: other numbers came back");
    }
}
