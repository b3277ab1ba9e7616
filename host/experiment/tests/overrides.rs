//! Overrides from the command line.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{MLM, TINY, load, refusal};
use experiment::{OptimizerKind, Schema, Source};

#[test]
fn values_are_read_as_toml_and_bare_words_as_texts() {
    let overrides =
        ["run.seed=7", "run.name = a b", "optimizer.use=sgd", "optimizer.learning_rate=3e-4", "data.text.packing=true"];
    let experiment = load(TINY, &overrides).unwrap();
    assert_eq!((experiment.run.seed, experiment.run.name.as_str()), (7, "a b"));
    assert_eq!((experiment.optimizer.kind, experiment.optimizer.learning_rate), (OptimizerKind::Sgd, 3e-4));
    assert!(experiment.data.text().unwrap().packing);
    let experiment = load(TINY, &["data.text.files=['Cargo.toml', 'src']", "run.name=\"x=y\"", "run.name=z"]).unwrap();
    assert_eq!((experiment.data.text().unwrap().files.len(), experiment.run.name.as_str()), (2, "z"));
}

#[test]
fn lists_go_by_number() {
    let overrides =
        ["evaluate.0.every_steps=5", "evaluate.1.batches=2", "optimizer.group.0.match=['*']", "data.text.files.1=src"];
    let experiment = load(TINY, &overrides).unwrap();
    assert_eq!((experiment.evaluate[0].every_steps, experiment.evaluate[1].batches), (5, Some(2)));
    assert_eq!((experiment.optimizer.groups.len(), experiment.data.text().unwrap().files.len()), (1, 2));
    let text = format!("{TINY}[[evaluate]]\nevery_steps = 1\n[[evaluate]]\nevery_steps = 2\n");
    assert_eq!(load(&text, &["evaluate.1.every_steps=9"]).unwrap().evaluate[1].every_steps, 9);
}

#[test]
fn settings_of_plugins_remember_the_command_line() {
    let schema = Schema::from_json(MLM).unwrap();
    let experiment =
        load(TINY, &["objective.mask_rate=0.3", "model.encoder.width=32", "model.teacher.family=t"]).unwrap();
    assert_eq!(experiment.objective.settings(&schema).unwrap()["mask_rate"], 0.3);
    assert_eq!(experiment.model("teacher").unwrap().family, "t");

    let error = load(TINY, &["objective.mask_rat=0.3"]).unwrap().objective.settings(&schema).unwrap_err();
    assert_eq!(error.place(), Some(&Source::CommandLine { argument: "objective.mask_rat=0.3".into() }));
    assert!(error.report().contains("\n  command line, `objective.mask_rat=0.3`\n"), "{}", error.report());
}

#[test]
fn overrides_that_name_nothing() {
    for wrong in [
        "",
        "=",
        "run.seed",
        "seed=3",
        "run.=3",
        ".seed=3",
        "run..seed=3",
        "run.seed=",
        "run.se ed=3",
        "run.name=\"open",
        "run.x=[1",
        "run.steps.x=1",
        "evaluate.1.batches=2",
        "optimizer.group.7.match=['*']",
        "data.text.files.9=a",
        "ru\nn.seed=3",
    ] {
        let error = refusal(&format!("{TINY}[optimizer]\ngroup = []\n"), &[wrong]);
        assert_eq!(error.code(), "config/override", "{wrong}: {}", error.report());
        assert!(error.help().is_some());
    }
    // Text that is no number stays text and meets the type check, with the argument as its place.
    for (argument, code) in [
        ("run.seed=.5", "config/type"),
        ("run.seed=-1", "config/range"),
        ("run=3", "config/override"),
        ("rum.seed=3", "config/unknown-setting"),
        // A list of sections begins at 0: with a name, a section is made where the list belongs.
        ("evaluate.x=1", "config/type"),
    ] {
        assert_eq!(refusal(TINY, &[argument]).code(), code, "{argument}");
    }
}
