//! Hugging Face folders in and out, and what models make of texts and ids, as a user does it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lacuna_tests::{Sandbox, Stored, difference, read_tensors, repository, write_tensors};
use serde_json::Value as Json;

const TOLERANCE: f32 = 1e-4;

fn fixtures() -> PathBuf {
    repository().join("tests/fixtures/huggingface")
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the fixture is there") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

/// A sandbox with a copy of the fixture in `bert`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("mlm");
    copy_folder(&fixtures().join("bert-tiny"), &sandbox.file("bert"));
    sandbox
}

fn json_of(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).expect("the file is there")).expect("JSON")
}

/// Features of `input` against what transformers made of it.
fn check_features(sandbox: &Sandbox, model: &str, input: &str, part: &str, batch: &str) {
    let input = fixtures().join(input).display().to_string();
    let output = format!("{part}-{batch}.safetensors");
    let arguments = ["features", model, "--input", &input, "--output", &output, "--batch", batch, "--json"];
    let said = sandbox.run(&arguments).ended(0).json();
    assert_eq!(said["rows"].as_u64(), Some(4), "{said}");
    let (own, theirs) = (read_tensors(&sandbox.file(&output)), read_tensors(&fixtures().join("expected.safetensors")));
    for name in ["last_hidden_state", "logits", "pooled", "first"] {
        let off = difference(&own[name], &theirs[&format!("{part}.{name}")]);
        assert!(off < TOLERANCE, "{part} {name} is off by {off}");
    }
    for name in ["input_ids", "attention_mask"] {
        assert_eq!(own[name], theirs[&format!("{part}.{name}")], "{name}");
    }
}

#[test]
fn a_folder_comes_in_computes_the_same_and_goes_out_byte_for_byte() {
    let sandbox = sandbox();
    let report = sandbox.run(&["import", "bert", "--out", "model", "--json"]).ended(0).json();
    assert_eq!((report["family"].as_str(), report["model_type"].as_str()), (Some("transformer"), Some("bert")));
    let theirs = read_tensors(&sandbox.file("bert/model.safetensors"));
    let keys: Vec<&str> =
        report["keys"].as_array().expect("keys").iter().filter_map(|row| row["key"].as_str()).collect();
    assert_eq!(keys, theirs.keys().map(String::as_str).collect::<Vec<_>>(), "every key is accounted for");
    assert!(report["heads"]["tokens"].is_number(), "{report}");
    assert_eq!(report["vocabulary"]["size"].as_u64(), Some(63));
    assert_eq!(report["vocabulary"]["tokens"].as_u64(), Some(60));
    let bare = read_tensors(&sandbox.file("model/model.safetensors"));
    assert!(bare.contains_key("embeddings.word_embeddings.weight") && bare.contains_key("tokens.cls.predictions.bias"));

    for batch in ["1", "3", "8"] {
        check_features(&sandbox, "model", "inputs.jsonl", "ids", batch);
        check_features(&sandbox, "model", "texts.txt", "texts", batch);
    }

    let said = sandbox.run(&["export", "model", "again", "--json"]).ended(0).json();
    assert_eq!(said["architecture"].as_str(), Some("BertForMaskedLM"));
    assert!(read_tensors(&sandbox.file("again/model.safetensors")) == theirs, "the same tensors");
    assert_eq!(json_of(&sandbox.file("again/config.json")), json_of(&sandbox.file("bert/config.json")));
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        let [was, is] =
            ["bert", "again"].map(|folder| std::fs::read(sandbox.file(folder).join(name)).expect("it is there"));
        assert!(was == is, "{name} is as it was");
    }
    let text = sandbox.run(&["import", "again", "--out", "second"]).ended(0).out;
    assert!(text.contains("bert → family `transformer`") && text.contains("heads: tokens"), "{text}");
    assert!(
        read_tensors(&sandbox.file("second/model.safetensors")) == bare,
        "and the same again, which the copy of the first way shows"
    );
}

#[test]
fn padding_on_the_left_changes_nothing_where_positions_skip_it() {
    let sandbox = sandbox();
    let _ = sandbox.run(&["import", "bert", "--out", "model"]).ended(0);
    sandbox.write(
        "rows.jsonl",
        "{\"input_ids\": [0, 0, 2, 9, 3], \"attention_mask\": [0, 0, 1, 1, 1]}\n{\"input_ids\": [2, 9, 3]}\n\
         {\"input_ids\": [0, 0, 2, 9, 3], \"attention_mask\": [0, 0, 1, 1, 1], \"position_ids\": [0, 0, 0, 1, 2]}\n",
    );
    let pooled = |changes: &[&str], out: &str| {
        let fixed = ["features", "model", "--input", "rows.jsonl", "--no-logits", "--output", out];
        let _ = sandbox.run(&[&fixed[..], changes].concat()).ended(0);
        let tensors = read_tensors(&sandbox.file(out));
        assert!(!tensors.contains_key("logits"));
        let numbers = tensors["pooled"].numbers();
        [0, 24, 48].map(|start| numbers[start..start + 24].to_vec())
    };
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let [left, plain, own] = pooled(&["--skip-padding"], "skip.safetensors");
    assert!(close(&left, &plain) && close(&own, &plain));
    let [left, plain, own] = pooled(&[], "places.safetensors");
    assert!(!close(&left, &plain) && close(&own, &plain), "a position is the place in the row");
}

#[test]
fn shards_go_out_and_come_in() {
    let sandbox = sandbox();
    let _ = sandbox.run(&["import", "bert", "--out", "model"]).ended(0);
    let said = sandbox.run(&["export", "model", "shards", "--shard-size", "20KB", "--json"]).ended(0).json();
    let files = said["files"].as_array().expect("files");
    assert!(files.len() > 2, "{said}");
    let index = json_of(&sandbox.file("shards/model.safetensors.index.json"));
    assert_eq!(
        index["weight_map"].as_object().map(serde_json::Map::len),
        Some(said["keys"].as_u64().unwrap_or(0) as usize)
    );
    let _ = sandbox.run(&["import", "shards", "--out", "from-shards"]).ended(0);
    let [one, two] =
        ["model", "from-shards"].map(|folder| read_tensors(&sandbox.file(folder).join("model.safetensors")));
    assert!(one == two);

    std::fs::remove_file(sandbox.file("shards").join(files[1].as_str().expect("a name"))).expect("removed");
    let error = sandbox.run(&["import", "shards", "--out", "missing"]).ended(2).error();
    assert!(error.contains("index.json") && error.contains(files[1].as_str().expect("a name")), "{error}");
    assert!(!sandbox.file("missing").exists());
}

/// What is done to the fixture, and what the error has to name.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path), &'a [&'a str]);

#[test]
fn every_damage_is_refused_with_file_and_key_and_nothing_is_written() {
    let weights = |change: &dyn Fn(&mut BTreeMap<String, Stored>)| {
        let mut tensors = read_tensors(&fixtures().join("bert-tiny/model.safetensors"));
        change(&mut tensors);
        tensors
    };
    let key = "bert.encoder.layer.1.output.dense.weight";
    let config = |folder: &Path, key: &str, value: Json| {
        let mut config = json_of(&folder.join("config.json"));
        config[key] = value;
        std::fs::write(folder.join("config.json"), config.to_string()).expect("written");
    };
    let damages: [Damage<'_>; 15] = [
        (
            "cut off",
            &|folder| {
                let path = folder.join("model.safetensors");
                let data = std::fs::read(&path).expect("weights");
                std::fs::write(&path, &data[..data.len() - 100]).expect("written");
            },
            &["model.safetensors"],
        ),
        (
            "a key too few",
            &|folder| write_tensors(&folder.join("model.safetensors"), &weights(&|all| _ = all.remove(key))),
            &[key, "missing"],
        ),
        (
            "a key of the head too few",
            &|folder| {
                let tensors = weights(&|all| _ = all.remove("cls.predictions.bias"));
                write_tensors(&folder.join("model.safetensors"), &tensors);
            },
            &["cls.predictions.bias", "missing"],
        ),
        (
            "a key too many",
            &|folder| {
                let tensors = weights(&|all| _ = all.insert("bert.extra.weight".into(), all[key].clone()));
                write_tensors(&folder.join("model.safetensors"), &tensors);
            },
            &["`bert.extra.weight` in `model.safetensors`"],
        ),
        (
            "another shape",
            &|folder| {
                let tensors = weights(&|all| all.get_mut(key).expect("there").shape.reverse());
                write_tensors(&folder.join("model.safetensors"), &tensors);
            },
            &[key, "[40, 24]", "[24, 40]"],
        ),
        (
            "another type",
            &|folder| {
                let tensors = weights(&|all| all.get_mut(key).expect("there").dtype = "I32".into());
                write_tensors(&folder.join("model.safetensors"), &tensors);
            },
            &[key, "I32"],
        ),
        (
            "a head that is not tied",
            &|folder| {
                let tensors = weights(&|all| {
                    let mut head = all["bert.embeddings.word_embeddings.weight"].clone();
                    head.bytes[0] ^= 1;
                    all.insert("cls.predictions.decoder.weight".into(), head);
                });
                write_tensors(&folder.join("model.safetensors"), &tensors);
            },
            &["cls.predictions.decoder.weight", "tie_word_embeddings"],
        ),
        (
            "an unknown architecture",
            &|folder| config(folder, "model_type", "zebra".into()),
            &["`zebra`", "config.json"],
        ),
        ("an unknown activation", &|folder| config(folder, "hidden_act", "snake".into()), &["hidden_act", "snake"]),
        ("a vocabulary too small", &|folder| config(folder, "vocab_size", 40.into()), &["60 tokens", "40"]),
        (
            "another vocabulary",
            &|folder| config(folder, "vocab_size", 64.into()),
            &["word_embeddings", "[63, 24]", "[64, 24]"],
        ),
        (
            "no JSON",
            &|folder| std::fs::write(folder.join("config.json"), "{\n\"model_type\": \n").expect("written"),
            &["config.json", "line 3"],
        ),
        ("no config", &|folder| std::fs::remove_file(folder.join("config.json")).expect("removed"), &["config.json"]),
        (
            "no weights",
            &|folder| std::fs::remove_file(folder.join("model.safetensors")).expect("removed"),
            &["model.safetensors"],
        ),
        (
            "a damaged tokenizer",
            &|folder| std::fs::write(folder.join("tokenizer.json"), "{\"model\"").expect("written"),
            &["tokenizer.json"],
        ),
    ];
    let sandbox = sandbox();
    for (number, (what, damage, names)) in damages.iter().enumerate() {
        let folder = format!("damaged-{number}");
        copy_folder(&fixtures().join("bert-tiny"), &sandbox.file(&folder));
        damage(&sandbox.file(&folder));
        let error = sandbox.run(&["import", &folder, "--out", "out"]).ended(2).error();
        for name in *names {
            assert!(error.contains(name), "{what}: {name} is not in {error}");
        }
        assert!(!sandbox.file("out").exists(), "{what}: nothing is written");
        let left: Vec<_> = std::fs::read_dir(sandbox.path()).expect("the sandbox").filter_map(Result::ok).collect();
        assert!(
            left.iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".tmp")),
            "{what}: nothing is left"
        );
    }
}

#[test]
fn copies_of_tied_weights_are_understood() {
    let sandbox = sandbox();
    let path = sandbox.file("bert/model.safetensors");
    let mut tensors = read_tensors(&path);
    tensors.insert("cls.predictions.decoder.weight".into(), tensors["bert.embeddings.word_embeddings.weight"].clone());
    tensors.insert("cls.predictions.decoder.bias".into(), tensors["cls.predictions.bias"].clone());
    write_tensors(&path, &tensors);
    let said = sandbox.run(&["import", "bert", "--out", "model"]).ended(0).out;
    assert!(said.contains("2 copies"), "{said}");
    // Where only the copy is in the file it is the original.
    tensors.remove("bert.embeddings.word_embeddings.weight");
    write_tensors(&path, &tensors);
    let _ = sandbox.run(&["import", "bert", "--out", "copy"]).ended(0);
    let [one, two] = ["model", "copy"].map(|folder| read_tensors(&sandbox.file(folder).join("model.safetensors")));
    assert!(one == two);
}

#[test]
fn half_precision_stays_as_it_is() {
    let sandbox = sandbox();
    let path = sandbox.file("bert/model.safetensors");
    let mut tensors = read_tensors(&path);
    for tensor in tensors.values_mut() {
        // bfloat16 is the upper half of f32.
        tensor.bytes = tensor.bytes.as_chunks::<4>().0.iter().flat_map(|bytes| [bytes[2], bytes[3]]).collect();
        tensor.dtype = "BF16".into();
    }
    write_tensors(&path, &tensors);
    let said = sandbox.run(&["import", "bert", "--out", "model"]).ended(0).out;
    assert!(said.contains("bf16"), "{said}");
    let _ = sandbox.run(&["export", "model", "again"]).ended(0);
    assert!(read_tensors(&sandbox.file("again/model.safetensors")) == tensors, "the same tensors");
    assert_eq!(json_of(&sandbox.file("again/config.json"))["dtype"].as_str(), Some("bfloat16"));
    let input = fixtures().join("inputs.jsonl").display().to_string();
    let _ = sandbox.run(&["features", "model", "--input", &input, "--output", "f.safetensors"]).ended(0);
    let (own, theirs) =
        (read_tensors(&sandbox.file("f.safetensors")), read_tensors(&fixtures().join("expected.safetensors")));
    let off = difference(&own["last_hidden_state"], &theirs["ids.last_hidden_state"]);
    assert!(off > TOLERANCE && off < 0.2, "rounded weights give {off}");
}

#[test]
fn nothing_is_ever_overwritten() {
    let sandbox = sandbox();
    let _ = sandbox.run(&["import", "bert", "--out", "model"]).ended(0);
    let before = std::fs::read(sandbox.file("model/model.safetensors")).expect("weights");
    for arguments in [
        &["import", "bert", "--out", "model"][..],
        &["export", "model", "bert"],
        &["features", "model", "--input", "text.txt", "--output", "text.txt"],
    ] {
        let error = sandbox.run(arguments).ended(2).error();
        assert!(error.contains("is there already"), "{error}");
    }
    assert!(std::fs::read(sandbox.file("model/model.safetensors")).expect("weights") == before);
    assert!(sandbox.file("bert/config.json").is_file());
}

#[test]
fn input_that_cannot_be_read_is_told_with_its_line() {
    let sandbox = sandbox();
    let _ = sandbox.run(&["import", "bert", "--out", "model"]).ended(0);
    sandbox.write("empty.txt", "");
    sandbox.write("latin.txt", b"the king\nthe caf\xe9\n");
    sandbox.write("odd.jsonl", "{\"input_ids\": [5, 6]}\n{\"input_ids\": [5, 63]}\n");
    sandbox.write("mask.jsonl", "{\"input_ids\": [5, 6], \"attention_mask\": [1]}\n");
    sandbox.write("long.jsonl", format!("{{\"input_ids\": {:?}}}\n", vec![5; 22]));
    for (input, expected) in [
        ("empty.txt", "is empty"),
        ("latin.txt", "line 2"),
        ("odd.jsonl", "line 2, has the token 63"),
        ("mask.jsonl", "line 1"),
        ("long.jsonl", "row 1 reaches position 21, the model reads 21"),
        ("none.txt", "none.txt"),
    ] {
        let error =
            sandbox.run(&["features", "model", "--input", input, "--output", "out.safetensors"]).ended(2).error();
        assert!(error.contains(expected) && error.contains(input) | input.starts_with("long"), "{error}");
        assert!(!sandbox.file("out.safetensors").exists());
    }
}

#[test]
fn an_imported_model_is_trained_on_and_goes_out_again() {
    let sandbox = sandbox();
    let _ = sandbox.run(&["import", "bert", "--out", "model"]).ended(0);
    let file = repository().join("plugins/mlm/experiments/continue.toml").display().to_string();
    let train = |changes: &[&str], out: &str| {
        let fixed = [
            "run",
            &file,
            "model.encoder.weights=model",
            "data.text.tokenizer=model",
            "data.text.files=[\"text.txt\"]",
            "data.text.valid_files=[]",
            "data.text.length=16",
            "run.steps=3",
            "--out",
            out,
        ];
        sandbox.run(&[&fixed[..], changes].concat())
    };
    let _ = train(&["optimizer.learning_rate=0"], "still").ended(0);
    let still = read_tensors(&sandbox.file("still/checkpoints/last/model.safetensors"));
    let model = read_tensors(&sandbox.file("model/model.safetensors"));
    for (name, tensor) in &model {
        let name = match name.strip_prefix("tokens.") {
            Some(rest) => format!("objective.encoder.tokens.{rest}"),
            None => format!("encoder.{name}"),
        };
        assert!(still[&name] == *tensor, "{name} is the imported one");
    }
    let _ = train(&[], "run").ended(0);
    // Opened without the corpus, which may be gone.
    std::fs::remove_file(sandbox.file("text.txt")).expect("removed");
    let input = fixtures().join("texts.txt").display().to_string();
    let _ = sandbox.run(&["features", "run", "--input", &input, "--output", "run.safetensors"]).ended(0);
    let own = read_tensors(&sandbox.file("run.safetensors"));
    assert_eq!(own["logits"].shape.last(), Some(&63), "the rows that no token has are still there");
    let _ = sandbox.run(&["export", "run", "out"]).ended(0);
    let _ = sandbox.run(&["import", "out", "--out", "back"]).ended(0);
    let _ = sandbox.run(&["features", "back", "--input", &input, "--output", "back.safetensors"]).ended(0);
    assert!(read_tensors(&sandbox.file("back.safetensors")) == own, "the same numbers by way of their folder");

    sandbox.write("text.txt", "the king said\n\nthe queen walked home\n");
    let error = train(&["data.text.tokenizer=bytes"], "other").ended(2).error();
    assert!(error.contains("260 tokens") && error.contains("made for 60"), "{error}");
    let error = train(&["model.encoder.width=48"], "wider").ended(2).error();
    assert!(error.contains("model.safetensors") && error.contains("has shape"), "{error}");
    assert!(!sandbox.file("other").exists() && !sandbox.file("wider").exists());
}
