//! The other side reads what went out: `transformers` in Python loads exported folders and computes the same numbers.
//!
//! Python is the program that `LACUNA_PYTHON` names, with torch and transformers installed; `make interop` makes one. Without it
//! these tests say so and check nothing, unless `LACUNA_INTEROP=required`.

use std::path::{Path, PathBuf};
use std::process::Command;

use lacuna_tests::{Ran, Sandbox, read_tensors, repository};

/// The interpreter, if there is one with what is needed.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("LACUNA_PYTHON").filter(|value| !value.is_empty());
    let reason = match &named {
        None => "LACUNA_PYTHON names no interpreter".to_owned(),
        Some(path) => {
            let asked = Command::new(path).args(["-c", "import torch, transformers, safetensors"]).output();
            match asked {
                Ok(output) if output.status.success() => return named.map(PathBuf::from),
                Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            }
        }
    };
    assert!(std::env::var("LACUNA_INTEROP").as_deref() != Ok("required"), "no Python with transformers: {reason}");
    eprintln!("skipped: no Python with transformers: {reason}; `make interop` makes one");
    None
}

/// Transformers loads `folder` and finds the numbers of `features` in what it makes of `input`.
fn check(python: &Path, sandbox: &Sandbox, folder: &str, input: &Path, features: &str) -> String {
    let script = repository().join("tests/fixtures/huggingface/check.py");
    let mut command = Command::new(python);
    command.arg(script).arg(sandbox.file(folder)).arg(input).arg(sandbox.file(features));
    command.env("HF_HUB_OFFLINE", "1").env("OMP_NUM_THREADS", "1");
    Ran::of(&mut command).ended(0).out
}

/// Trains a few steps, exports, and lets transformers compute the same texts.
fn trained_model_is_loaded(objective: &str, changes: &[&str], architecture: &str) {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new(objective);
    if objective == "clm" {
        let text = std::fs::read_to_string(sandbox.file("tiny.toml")).expect("the experiment");
        sandbox.write("tiny.toml", text.replace("[model.encoder]", "[model.decoder]"));
    }
    let common =
        ["run", "tiny.toml", "data.text.tokenizer=train:wordpiece", "data.text.vocabulary_size=300", "--out", "run"];
    let _ = sandbox.run(&[&common[..], changes].concat()).ended(0);
    let input = sandbox.write("lines.txt", "the king said to his queen\nhe went home, and talked\nwho?\n");
    let _ = sandbox.run(&["features", "run", "--input", "lines.txt", "--output", "f.safetensors"]).ended(0);
    let said = sandbox.run(&["export", "run", "out", "--json"]).ended(0).json();
    assert_eq!(said["architecture"].as_str(), Some(architecture), "{said}");
    println!("{}", check(&python, &sandbox, "out", &input, "f.safetensors"));
}

#[test]
fn a_trained_encoder_is_loaded_as_bert() {
    trained_model_is_loaded("mlm", &["model.encoder.maximum_length=40"], "BertForMaskedLM");
}

#[test]
fn a_trained_decoder_is_loaded_as_llama() {
    let changes = [
        "model.decoder.causal=true",
        "model.decoder.positions=rotary",
        "model.decoder.pre_norm=true",
        "model.decoder.norm=rms",
        "model.decoder.norm_epsilon=1e-5",
        "model.decoder.activation=silu",
        "model.decoder.glu=true",
        "model.decoder.bias=false",
        "model.decoder.dropout=0",
        "model.decoder.attention_dropout=0",
    ];
    trained_model_is_loaded("clm", &changes, "LlamaForCausalLM");
}

/// Folders below `folder` with a `config.json` of a published architecture, in order.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            std::fs::read_to_string(path.join("config.json")).is_ok_and(|config| config.contains("\"model_type\""))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_architecture_comes_in_and_goes_out_and_computes_what_transformers_does() {
    let mut all = folders(&repository().join("plugins/transformer/tests/fixtures"));
    all.extend(folders(&repository().join("tests/fixtures/huggingface")));
    assert!(all.len() > 1, "there are fixtures");
    let python = python();
    let sandbox = Sandbox::new("mlm");
    for folder in all {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let (model, out, features) = (format!("{name}-model"), format!("{name}-out"), format!("{name}.safetensors"));
        let path = folder.display().to_string();
        let report = sandbox.run(&["import", &path, "--out", &model, "--json"]).ended(0).json();
        let said = sandbox.run(&["export", &model, &out, "--json"]).ended(0).json();
        assert_eq!(said["left_out"].as_array().map(Vec::len), Some(0), "{name}: {said}");
        // Byte for byte, but for copies, which transformers leaves out too, and for what nobody computes with.
        let of_use = |uses: &[&str]| -> Vec<&str> {
            let rows = report["keys"].as_array().into_iter().flatten();
            let rows = rows.filter(|row| row["use"].as_str().is_some_and(|usage| uses.contains(&usage)));
            rows.filter_map(|row| row["key"].as_str()).collect()
        };
        let (copies, unused) = (of_use(&["copy"]), of_use(&["ignored", "zero"]));
        let mut theirs = read_tensors(&folder.join("model.safetensors"));
        theirs.retain(|key, _| !copies.contains(&key.as_str()) && !unused.contains(&key.as_str()));
        let mut own = read_tensors(&sandbox.file(&out).join("model.safetensors"));
        own.retain(|key, _| !unused.contains(&key.as_str()));
        assert!(own == theirs, "{name}: {:?} {:?}", own.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());

        let vocabulary = report["vocabulary"]["size"].as_u64().expect("a size");
        let config = &report["config"];
        let input = sandbox.write(
            &format!("{name}.jsonl"),
            rows(vocabulary, config["pad_token_id"].as_u64(), config["is_encoder_decoder"] == true),
        );
        let input_path = input.display().to_string();
        let _ = sandbox.run(&["features", &model, "--input", &input_path, "--output", &features]).ended(0);
        // MosaicBERT is called a BERT and is none to transformers, which has no code of its own for it.
        let known = config.get("alibi_starting_size").is_none();
        if let (Some(python), true) = (&python, known) {
            println!("{name}: {}", check(python, &sandbox, &out, &input, &features).trim());
        }
    }
}

/// Rows of ids padded on the right, on the left, and not at all; of an encoder–decoder with what its decoder begins with.
fn rows(vocabulary: u64, padding: Option<u64>, decodes: bool) -> String {
    let id = |row: u64, place: u64| 4 + (row * 31 + place * 17 + place * place * 5) % (vocabulary - 4);
    let mut lines = String::new();
    for (row, (before, length)) in [(0, 7), (4, 6), (0, 10)].into_iter().enumerate() {
        // Some tell positions by the padding's id; no other id of a row is below 4.
        let fill = padding.unwrap_or(0);
        let ids: Vec<u64> = (0..10)
            .map(|place| if place < before || place >= before + length { fill } else { id(row as u64, place) })
            .collect();
        let mask: Vec<u64> = (0..10).map(|place| u64::from(place >= before && place < before + length)).collect();
        let mut line = serde_json::json!({ "input_ids": ids, "attention_mask": mask });
        if decodes {
            line["decoder_input_ids"] = (0..5).map(|place| id(row as u64 + 7, place)).collect();
        }
        lines.push_str(&format!("{line}\n"));
    }
    lines
}
