//! Tokenizers of published folders: the older files, and which tokens have which role.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use modality_text::Tokenizer;
use serde_json::Value;
use support::{file, ids, records, unpacked};

fn json(name: &str) -> Value {
    serde_json::from_slice(&unpacked(&format!("{name}.tokenizer.json.gz"))).unwrap()
}

fn check(tokenizer: &Tokenizer, name: &str) {
    for record in records("reference-encodings.jsonl.gz").iter().filter(|record| record["tokenizer"] == name) {
        let text = record["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode_with_special(text).unwrap(), ids(&record["ids"]), "{name}: {text}");
    }
}

#[test]
fn a_vocab_txt_is_bert_s_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let mut tokens: Vec<(u64, String)> = json("bert-base-uncased")["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (id.as_u64().unwrap(), token.clone()))
        .collect();
    tokens.sort();
    let text: String = tokens.iter().map(|(_, token)| format!("{token}\n")).collect();
    file(folder.path(), "vocab.txt", &text);
    let tokenizer = Tokenizer::of_folder(folder.path()).unwrap().unwrap();
    check(&tokenizer, "bert-base-uncased");
    assert_eq!(tokenizer.vocabulary().special, [0, 100, 101, 102, 103]);

    file(folder.path(), "tokenizer_config.json", r#"{"do_lower_case": false}"#);
    let cased = Tokenizer::of_folder(folder.path()).unwrap().unwrap();
    assert_ne!(cased.encode("The").unwrap(), cased.encode("the").unwrap());
    file(folder.path(), "vocab.txt", "a\nb\n");
    let error = Tokenizer::of_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("vocab.txt") && error.contains("[CLS]"), "{error}");
}

#[test]
fn a_vocab_json_with_merges_is_gpt_2_s_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let whole = json("gpt2");
    file(folder.path(), "vocab.json", whole["model"]["vocab"].to_string());
    let error = Tokenizer::of_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("vocab.json") && error.contains("tokenizer.json"), "{error}");
    let merges = whole["model"]["merges"].as_array().unwrap().iter().map(|merge| match merge {
        Value::String(pair) => pair.clone(),
        pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    });
    let text: String = std::iter::once("#version: 0.2".to_owned()).chain(merges).map(|line| line + "\n").collect();
    file(folder.path(), "merges.txt", &text);
    check(&Tokenizer::of_folder(folder.path()).unwrap().unwrap(), "gpt2");
    file(folder.path(), "merges.txt", "a b c\n");
    assert!(Tokenizer::of_folder(folder.path()).unwrap_err().to_string().contains("line 1 is no pair"));
}

#[test]
fn roles_of_tokens_are_those_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Tokenizer::of_folder(folder.path()).unwrap().is_none());
    let path = file(folder.path(), "tokenizer.json", unpacked("gpt2.tokenizer.json.gz"));
    let plain = Tokenizer::from_file(&path).unwrap();
    let map = r#"{"bos_token": {"content": "!"}, "pad_token": "!", "eos_token": "<|endoftext|>"}"#;
    file(folder.path(), "special_tokens_map.json", map);
    file(folder.path(), "tokenizer_config.json", r#"{"pad_token": "\"", "unk_token": null, "model_max_length": 9}"#);
    let told = Tokenizer::from_file(&path).unwrap();
    let known = told.vocabulary();
    assert_eq!((known.begin, known.end, known.pad), (Some(0), Some(50_256), Some(1)));
    assert_eq!((known.unknown, known.mask), (None, None));
    assert_eq!(known.special, [0, 1, 50_256]);
    assert_ne!(told.hash().unwrap(), plain.hash().unwrap());

    let other = tempfile::tempdir().unwrap();
    told.save(other.path().join("tokenizer.json")).unwrap();
    let again = Tokenizer::from_file(other.path().join("tokenizer.json")).unwrap();
    assert_eq!((again.vocabulary(), again.hash().unwrap()), (known, told.hash().unwrap()));

    file(folder.path(), "tokenizer_config.json", "{");
    assert!(Tokenizer::from_file(&path).unwrap_err().to_string().contains("tokenizer_config.json"));
}
