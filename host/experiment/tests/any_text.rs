//! No text and no override makes loading panic, and whatever loads resolves to itself.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{MLM, TINY};
use experiment::{Experiment, Schema};
use proptest::prelude::*;

/// Loads, and holds what loads to its promises; errors must have words.
fn survives(text: &str, overrides: &[String]) {
    match Experiment::from_text(text, Path::new("any.toml"), overrides) {
        Ok(experiment) => {
            let again = Experiment::from_text(&experiment.resolved(), Path::new("again.toml"), &[]).unwrap();
            assert_eq!(again.fingerprint(), experiment.fingerprint());
            if let Err(error) = experiment.objective.settings(&Schema::from_json(MLM).unwrap()) {
                assert!(error.place().is_some(), "{}", error.report());
            }
        }
        Err(error) => {
            assert!(error.code().starts_with("config/") && error.help().is_some());
            assert!(error.to_string().lines().count() == 1, "{error}");
        }
    }
}

/// A line of TOML made of the format's own words, right and wrong.
fn line() -> impl Strategy<Value = String> {
    let words = [
        "[run]",
        "[data.text]",
        "[model.encoder]",
        "[model.x]",
        "[objective]",
        "[[objective]]",
        "[optimizer]",
        "[[optimizer.group]]",
        "[schedule]",
        "[[evaluate]]",
        "[evaluate]",
        "[checkpoint]",
        "[sweep]",
        "[a.b.c]",
    ];
    let keys = [
        "steps",
        "seed",
        "files",
        "use",
        "family",
        "mask_rate",
        "match",
        "name",
        "length",
        "ema",
        "device",
        "a.b",
        "''",
        "weights",
    ];
    let values = [
        "1",
        "-1",
        "0.5",
        "nan",
        "1e999",
        "99999999999999999999",
        "'x'",
        "\"a\\nb\"",
        "true",
        "[]",
        "['Cargo.toml']",
        "[1, 'a', [2]]",
        "{ a = 1 }",
        "[{ a = 1 }]",
        "1979-05-27",
        "'adamw'",
        "'cuda:9'",
        "\"\\u0000\"",
        "'${X'",
        "",
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        (prop::sample::select(keys.to_vec()), prop::sample::select(values.to_vec()))
            .prop_map(|(key, value)| format!("{key} = {value}")),
    ]
}

fn override_text() -> impl Strategy<Value = String> {
    let keys = [
        "run.seed",
        "run.name",
        "objective.x",
        "objective.mask_rate",
        "evaluate.0.batches",
        "evaluate.0",
        "optimizer.group.0.match",
        "data.text.files.0",
        "model.m.family",
        "run.a.b",
    ];
    (prop::sample::select(keys.to_vec()), any::<String>()).prop_map(|(key, value)| format!("{key}={value}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>(), argument in any::<String>()) {
        survives(&text, &[]);
        survives(&format!("{TINY}{text}"), &[]);
        survives(TINY, &[argument]);
    }

    #[test]
    fn any_words_of_the_format(lines in prop::collection::vec(line(), 0..8), argument in override_text()) {
        survives(&format!("{}\n{TINY}", lines.join("\n")), std::slice::from_ref(&argument));
        survives(&format!("{TINY}{}", lines.join("\n")), std::slice::from_ref(&argument));
        survives(TINY, &[argument]);
    }

    #[test]
    fn any_text_setting(value in any::<String>(), number in any::<f64>(), whole in any::<i64>()) {
        let quoted = serde_json::to_string(&value).unwrap().replace('\u{7f}', "\\u007f");
        survives(&format!("{TINY}names = [{quoted}]\nmask_rate = {number:?}\nlimit = {whole}\n"), &[]);
    }

    #[test]
    fn any_bytes_of_a_file(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        if let Err(error) = Experiment::load(file.path(), &[]) {
            prop_assert!(!error.report().is_empty());
        }
    }
}
