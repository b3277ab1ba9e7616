//! ViT, ViT-MAE and BEiT are imported, give what they give in transformers, and are exported as they came; see
//! `fixtures/make.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compute::layout::Layout;
use compute::{Device, Tensor};
use lacuna::boundary::{Call, Content};
use lacuna::conformance::beside_the_test;
use lacuna::features::{Pixels, picture_features};
use lacuna::huggingface::{ExportOptions, ImportOptions, export, import};
use lacuna::models::{Opened, Pick};
use plugin_api::prelude::*;
use records::{TensorBytes, TensorFile};
use serde_json::{Value as Json, json};
use vit::Vit;

const PUBLISHED: [&str; 7] = ["vit-a", "vit-b", "vit-c", "mae-a", "beit-a", "beit-b", "beit-c"];
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

#[test]
fn features_are_those_of_the_originals() {
    for name in PUBLISHED {
        let folder = tempfile::tempdir().unwrap();
        let opened = imported(name, &folder.path().join("model"));
        let given = fixture(name).join("expected.safetensors");
        let pixels = Pixels::read(&given, opened.stored.pictures().unwrap()).unwrap();
        let out = folder.path().join("features.safetensors");
        // Two and one: batches change nothing.
        picture_features(&opened, &pixels, &out, 2, true, &mut |_, _| {}).unwrap();
        let (found, expected) = (tensors(&out), tensors(&given));
        let mut held = 0;
        for key in ["last_hidden_state", "classes", "logits", "values"] {
            let Some(expected) = expected.get(key) else { continue };
            assert_eq!(found[key].shape, expected.shape, "{name}: {key}");
            hold(&format!("{name}: {key}"), &numbers(&found[key]), &numbers(expected));
            held += 1;
        }
        assert_eq!(held, if opened.heads.is_empty() { 1 } else { 2 }, "{name}: {:?}", opened.heads.keys());
    }
}

#[test]
fn hidden_patches_are_those_of_the_originals() {
    for (name, head) in [("vit-b", Some("values")), ("beit-a", Some("logits")), ("beit-c", None)] {
        let folder = tempfile::tempdir().unwrap();
        let opened = imported(name, &folder.path().join("model"));
        let expected = tensors(&fixture(name).join("expected.safetensors"));
        let (pixels, masked) = (&expected["pixels"], &expected["masked"]);
        let pixels_bchw = Tensor::from_slice(&numbers(pixels), &pixels.shape, &Device::Cpu).unwrap();
        let chosen: Vec<u8> = masked.bytes.as_chunks::<8>().0.iter().map(|word| word[0]).collect();
        let masked_m = Tensor::from_slice(&chosen, &[chosen.len()], &Device::Cpu).unwrap();
        let masked_m = compute::ops::cast(&masked_m, compute::DType::Bool).unwrap();
        let (rows, count) = (opened.said("rows").unwrap(), pixels.shape[0]);
        let layout = Layout::new(&vec![rows; count], &(0..count as u64).collect::<Vec<_>>()).unwrap();
        let call = Call::new(opened.evaluation());
        let inputs =
            [("pixels".to_owned(), Content::from(pixels_bchw)), ("masked".to_owned(), Content::from(masked_m))];
        let hidden_nd = opened.hidden(&call, "image", inputs, &layout).unwrap();
        let values = |tensor: &Tensor| tensor.value().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let hidden = values(&hidden_nd);
        hold(name, &hidden, &numbers(&expected["masked.last_hidden_state"]));
        let Some(head) = head else { continue };
        let kind = if head == "logits" { "tokens" } else { head };
        let made = values(&opened.logits(&call, kind, hidden_nd).unwrap().unwrap());
        let outputs = made.len() / (rows * count);
        let of_patches: Vec<f32> = made.chunks(rows * outputs).flat_map(|rows| rows[outputs..].to_vec()).collect();
        hold(name, &of_patches, &numbers(&expected[&format!("masked.{head}")]));
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
        theirs.retain(|key, _| !key.starts_with("pooler.dense"));
        assert!(tensors(&out.join("model.safetensors")) == theirs, "{name}: other tensors came out");
        let read = |folder: &Path| -> Json {
            serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
        };
        assert_eq!(read(&out), read(&fixture(name)), "{name}");
    }
}

/// What a `config.json` says survives the way to settings and back, without the imported file.
#[test]
fn a_config_is_written_as_it_was_read() {
    for name in PUBLISHED {
        let folder = tempfile::tempdir().unwrap();
        let opened = imported(name, &folder.path().join("model"));
        let theirs: Json = serde_json::from_slice(&std::fs::read(fixture(name).join("config.json")).unwrap()).unwrap();
        let mut written: Json = serde_json::from_str(&opened.model.hugging_face_config().unwrap().unwrap()).unwrap();
        let head = opened.heads.keys().next().map_or("none", String::as_str);
        written["architectures"] = json!([written["architectures_by_head"][head]]);
        assert_eq!(Vit::settings_of(&written).unwrap(), Vit::settings_of(&theirs).unwrap(), "{name}");
        for (key, value) in written.as_object().unwrap().iter().filter(|(key, _)| *key != "architectures_by_head") {
            let same = theirs.get(key) == Some(value) || (key == "hidden_act" && theirs[key] == "gelu_new");
            assert!(same, "{name}: `{key}` is {value}, not {:?}", theirs.get(key));
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let config = |name: &str, key: &str, value: Json| {
        let mut config: Json =
            serde_json::from_slice(&std::fs::read(fixture(name).join("config.json")).unwrap()).unwrap();
        config[key] = value;
        Vit::settings_of(&config).unwrap_err().text().to_owned()
    };
    assert!(config("vit-a", "qkv_bias", json!(false)).contains("`qkv_bias`: false"));
    assert!(config("vit-a", "hidden_act", json!("mish")).contains("`hidden_act`"));
    assert!(config("beit-a", "use_shared_relative_position_bias", json!(true)).contains("shared"));
    // Pixels of another size.
    let folder = tempfile::tempdir().unwrap();
    let opened = imported("vit-a", &folder.path().join("model"));
    let size = opened.stored.pictures().unwrap();
    let error = Pixels::read(&fixture("vit-b").join("expected.safetensors"), size).err().unwrap().to_string();
    assert!(error.contains("of shape [3, 3, 15, 15]") && error.contains("[pictures, 2, 8, 12]"), "{error}");
}
