//! Wav2Vec2 and Hubert are imported, give what they give in transformers, and are exported as they came; see `fixtures/make.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compute::layout::Layout;
use compute::{Device, Tensor};
use lacuna::boundary::{Call, Content, ForwardRequest, batch_object};
use lacuna::conformance::beside_the_test;
use lacuna::features::{Sounds, sound_features};
use lacuna::huggingface::{ExportOptions, ImportOptions, export, import};
use lacuna::models::{Opened, Pick};
use plugin_api::prelude::*;
use records::{TensorBytes, TensorFile};
use serde_json::{Value as Json, json};
use wav2vec::Wav2Vec;

const PUBLISHED: [&str; 4] = ["base-a", "base-b", "large-a", "large-b"];
const TOLERANCE: f32 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn tensors(file: &Path) -> BTreeMap<String, TensorBytes> {
    let tensors = TensorFile::open(file).unwrap().tensors().unwrap();
    tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

fn numbers(tensor: &TensorBytes) -> Vec<f32> {
    tensor.bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

fn imported(name: &str, out: &Path) -> Opened {
    let options = ImportOptions { folder: fixture(name), out: out.to_path_buf(), family: None };
    import(&options, &beside_the_test(), &mut |_, _| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
    Opened::open(out, &Pick::default(), &beside_the_test()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Fails where the numbers are further apart than the tolerance.
fn hold(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < TOLERANCE, "{what} is off by {off}");
}

/// Hidden rows of waves of one length, cut to `layers`.
fn hidden(opened: &Opened, waves: &[f32], dims: &[usize], rows: usize, layers: std::ops::Range<u32>) -> Vec<f32> {
    let waves_bsm = Tensor::from_slice(waves, &[dims[0], dims[1], 1], &Device::Cpu).unwrap();
    let layout = Layout::new(&vec![rows; dims[0]], &(0..dims[0] as u64).collect::<Vec<_>>()).unwrap();
    let inputs = batch_object([("features".to_owned(), Content::from(waves_bsm))]).unwrap();
    let request =
        ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted: &[] };
    let outputs = opened.model.forward(&Call::new(opened.evaluation()), &request).unwrap();
    let Content::Batch(outputs) = outputs.content() else { panic!("no batch") };
    outputs.tensor("hidden").unwrap().value().flatten_all().unwrap().to_vec1::<f32>().unwrap()
}

#[test]
fn features_are_those_of_the_originals() {
    for name in PUBLISHED {
        let folder = tempfile::tempdir().unwrap();
        let opened = imported(name, &folder.path().join("model"));
        let given = fixture(name).join("expected.safetensors");
        let sounds = Sounds::read(&given, opened.stored.sounds().unwrap()).unwrap();
        let out = folder.path().join("features.safetensors");
        // Two and one: batches change nothing.
        sound_features(&opened, &sounds, &out, 2, true, &mut |_, _| {}).unwrap();
        let (found, expected) = (tensors(&out), tensors(&given));
        let mut held = 0;
        for key in ["last_hidden_state", "logits"] {
            let Some(expected) = expected.get(key) else { continue };
            assert_eq!(found[key].shape, expected.shape, "{name}: {key}");
            hold(&format!("{name}: {key}"), &numbers(&found[key]), &numbers(expected));
            held += 1;
        }
        assert_eq!(held, 1 + opened.heads.len(), "{name}: {:?}", opened.heads.keys());
        let (waves, layer) = (&expected["waveform"], &expected["layer"]);
        let rows = hidden(&opened, &numbers(waves), &waves.shape, layer.shape[1], 0..1);
        hold(&format!("{name}: the first layer"), &rows, &numbers(layer));
    }
}

/// A sound of whole rows has one row more than its last window fills: silence is taken for what is missing, as if it were given.
#[test]
fn what_the_last_row_lacks_is_silence() {
    for name in ["base-a", "large-a"] {
        let folder = tempfile::tempdir().unwrap();
        let opened = imported(name, &folder.path().join("model"));
        let waves: Vec<f32> = (0..400_i16).map(|i| (f32::from(i) * 0.7).sin()).collect();
        let (hop, field) = (opened.said("hop").unwrap(), opened.said("field").unwrap());
        let mut followed = waves.clone();
        followed.resize((400 / hop - 1) * hop + field, 0.0);
        let short = hidden(&opened, &waves, &[1, 400], 400 / hop, 0..u32::MAX);
        let long = hidden(&opened, &followed, &[1, followed.len()], 400 / hop, 0..u32::MAX);
        hold(name, &short, &long);
    }
}

#[test]
fn a_model_is_exported_as_it_was_imported() {
    for name in PUBLISHED {
        let folder = tempfile::tempdir().unwrap();
        let (place, out) = (folder.path().join("model"), folder.path().join("out"));
        drop(imported(name, &place));
        let options = ExportOptions { place, pick: Pick::default(), out: out.clone(), shard_size: u64::MAX };
        let exported = export(&options, &beside_the_test()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(exported.left_out.is_empty(), "{name}: {:?}", exported.left_out);
        let mut theirs = tensors(&fixture(name).join("model.safetensors"));
        theirs.retain(|key, _| !key.ends_with("masked_spec_embed"));
        assert!(tensors(&out.join("model.safetensors")) == theirs, "{name}: other tensors came out");
        let read = |folder: &Path| -> Json {
            serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
        };
        assert_eq!(read(&out)["architectures"], read(&fixture(name))["architectures"], "{name}");
    }
}

/// What a `config.json` says survives the way to settings and back.
#[test]
fn a_config_is_written_as_it_was_read() {
    for name in PUBLISHED {
        let folder = tempfile::tempdir().unwrap();
        let opened = imported(name, &folder.path().join("model"));
        let theirs: Json = serde_json::from_slice(&std::fs::read(fixture(name).join("config.json")).unwrap()).unwrap();
        let written: Json = serde_json::from_str(&opened.model.hugging_face_config().unwrap().unwrap()).unwrap();
        assert_eq!(Wav2Vec::settings_of(&written).unwrap(), Wav2Vec::settings_of(&theirs).unwrap(), "{name}");
        let ours = ["architectures_by_head", "architectures", "mask_time_prob", "mask_feature_prob"];
        for (key, value) in written.as_object().unwrap().iter().filter(|(key, _)| !ours.contains(&key.as_str())) {
            assert_eq!(theirs.get(key), Some(value), "{name}: {key}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let config = |key: &str, value: Json| {
        let mut config: Json =
            serde_json::from_slice(&std::fs::read(fixture("base-b").join("config.json")).unwrap()).unwrap();
        config[key] = value;
        Wav2Vec::settings_of(&config).unwrap_err().text().to_owned()
    };
    assert!(config("conv_dim", json!([8, 8, 16])).contains("`conv_dim`"));
    assert!(config("feat_extract_norm", json!("batch")).contains("`feat_extract_norm`"));
    assert!(config("conv_pos_batch_norm", json!(true)).contains("`conv_pos_batch_norm`"));
    assert!(config("feat_extract_activation", json!("relu")).contains("`feat_extract_activation`"));
    // Sounds that are no waves, and such as are too short.
    let folder = tempfile::tempdir().unwrap();
    let opened = imported("base-a", &folder.path().join("model"));
    let size = opened.stored.sounds().unwrap();
    let error = Sounds::read(&fixture("base-a").join("model.safetensors"), size).err().unwrap().to_string();
    assert!(error.contains("has no tensor of sounds") && error.contains("waveform"), "{error}");
}
