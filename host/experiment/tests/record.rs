//! What a run folder keeps: the resolved file, the fingerprint; and the reference page.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{MLM, TINY, TRANSFORMER, load};
use experiment::{Experiment, Schema, reference};

/// Every part of the format, with values that are hard to write down.
const FULL: &str = r#"
[run]
steps = 12
name = "näme 1"
[data.text]
files = ["Cargo.toml"]
field = "a\"b\\c\n\t\u0001\u007F é 日"
[model.b]
family = "transformer"
width = 64
[model.a]
family = "transformer"
frozen = true
[objective]
use = "mlm"
mask_rate = 1e-2
names = ["x # y", 'z"']
[optimizer]
learning_rate = 5e-324
epsilon = 1e300
weight_decay = 0.1
ema = 0.99999999999999988
[[optimizer.group]]
match = ["*.bias"]
[[optimizer.group]]
match = []
weight_decay = 0
[schedule]
use = "wsd"
decay_steps = 3
[[evaluate]]
batches = 1
[[evaluate]]
"#;

fn settle(experiment: &Experiment) {
    experiment.objective.settings(&Schema::from_json(MLM).unwrap()).unwrap();
    for model in &experiment.models {
        model.settings(&Schema::from_json(TRANSFORMER).unwrap()).unwrap();
    }
}

#[track_caller]
fn same(one: &Experiment, other: &Experiment) {
    assert_eq!(
        (&one.run, &one.data, &one.optimizer, &one.schedule),
        (&other.run, &other.data, &other.optimizer, &other.schedule)
    );
    assert_eq!((&one.evaluate, &one.checkpoint), (&other.evaluate, &other.checkpoint));
    assert_eq!(one.fingerprint(), other.fingerprint());
    let strip = |text: String| {
        text.lines().map(|line| line.rsplit_once(" # ").map_or(line, |(value, _)| value).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(strip(one.resolved()), strip(other.resolved()));
}

#[test]
fn a_resolved_file_loads_to_the_same_experiment() {
    for text in [TINY, FULL] {
        let first = load(text, &["run.seed=3", "run.device=cuda"]).unwrap();
        let raw = load(&first.resolved(), &[]).unwrap();
        same(&first, &raw);
        settle(&first);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolved.toml");
        std::fs::write(&path, first.resolved()).unwrap();
        let second = Experiment::load(&path, &[]).unwrap();
        settle(&second);
        same(&first, &second);
    }
}

#[test]
fn unchecked_settings_of_every_type_are_written_as_they_stand() {
    let lines = "a = nan\nb = -inf\nc = 99999999999999999999\nd = 1979-05-27T07:32:00Z\ne = { x = [1, 'y'], 'a b' = 0x1F }\n'' = -0.0\n";
    let first = load(&format!("{TINY}{lines}"), &[]).unwrap();
    let text = first.resolved();
    for line in [
        "a = nan #",
        "b = -inf #",
        "c = 99999999999999999999 #",
        "d = 1979-05-27T07:32:00Z #",
        "e = { x = [1, \"y\"], \"a b\" = 31 } #",
        "\"\" = -0.0 #",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    same(&first, &load(&text, &[]).unwrap());
}

#[test]
fn every_value_tells_its_source() {
    let experiment = load(&format!("{TINY}mask_rate = 0.3\n"), &["run.seed=3", "objective.unit=word"]).unwrap();
    settle(&experiment);
    let text = experiment.resolved();
    for line in [
        "name = \"tiny\" # default",
        "seed = 3 # command line",
        "steps = 5 # tiny.toml, line 2",
        "# tokens is not set",
        "family = \"transformer\" # tiny.toml, line 6",
        "width = 64 # tiny.toml, line 7",
        "num_layers = 4 # default",
        "mask_rate = 0.3 # tiny.toml, line 10",
        "unit = \"word\" # command line",
        "rates = [1.0, 0.5] # default",
        "epsilon = 1e-8 # default",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
}

#[test]
fn a_file_name_cannot_break_the_resolved_file() {
    let odd = Path::new("a\nb = 3\n.toml");
    let experiment = Experiment::from_text(TINY, odd, &[]).unwrap();
    same(&experiment, &load(&experiment.resolved(), &[]).unwrap());
}

#[test]
fn the_fingerprint_changes_with_what_changes_results_and_only_with_that() {
    let mark = |overrides: &[&str]| {
        let experiment = load(TINY, overrides).unwrap();
        settle(&experiment);
        experiment.fingerprint()
    };
    let base = mark(&[]);
    for neutral in [
        "run.name=other",
        "run.data_threads=4",
        "run.log_every_steps=1",
        "checkpoint.every_steps=3",
        "data.text.cache=x",
        "objective.mask_rate=0.15",
    ] {
        assert_eq!(mark(&[neutral]), base, "{neutral}");
    }
    for telling in [
        "run.seed=1",
        "run.steps=6",
        "run.accumulation=2",
        "run.device=cuda",
        "run.precision=bf16",
        "data.text.files=['src/lib.rs']",
        "data.text.length=64",
        "model.encoder.width=65",
        "model.encoder.frozen=true",
        "model.encoder.weights=Cargo.toml",
        "objective.mask_rate=0.2",
        "optimizer.beta1=0.8",
        "optimizer.group.0.match=['*']",
        "schedule.warmup_steps=1",
        "evaluate.0.every_steps=2",
    ] {
        assert_ne!(mark(&[telling]), base, "{telling}");
    }
    assert_eq!(mark(&["run.device=cuda:0"]), mark(&["run.device=cuda:1"]));
}

#[test]
fn the_fingerprint_survives_a_move_of_the_data() {
    let mark = |folder: &Path, content: &str| {
        std::fs::write(folder.join("corpus.txt"), content).unwrap();
        let path = folder.join("x.toml");
        Experiment::from_text(&TINY.replace("Cargo.toml", "corpus.txt"), &path, &[]).unwrap().fingerprint()
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(mark(one.path(), "text"), mark(two.path(), "text"));
    assert_ne!(mark(one.path(), "text"), mark(two.path(), "more text"));
}

#[test]
fn the_reference_page_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/experiment.md");
    if std::env::var_os("LACUNA_REFRESH").is_some() {
        std::fs::create_dir_all(page.parent().unwrap()).unwrap();
        std::fs::write(&page, reference()).unwrap();
    }
    let kept = std::fs::read_to_string(&page).unwrap_or_default();
    let refresh = "LACUNA_REFRESH=1 cargo test --release -p experiment the_reference_page_is_fresh";
    assert!(kept == reference(), "docs/experiment.md is stale; refresh it with `{refresh}`");
}
