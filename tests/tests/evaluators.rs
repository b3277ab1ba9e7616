//! Evaluators on tiny models of transformers: what they find is what was computed there one token at a time.
//!
//! `data/evaluators/make.py` made models, texts and numbers.

use lacuna_tests::{Sandbox, repository};
use serde_json::Value as Json;

fn data(name: &str) -> String {
    repository().join("tests/data/evaluators").join(name).display().to_string()
}

fn expected() -> Json {
    let text = std::fs::read_to_string(data("expected.json")).expect("the expected numbers");
    serde_json::from_str(&text).expect("they are JSON")
}

/// Both models, imported, and an experiment for each evaluator.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new("mlm");
    for model in ["gpt2", "bert"] {
        let _ = sandbox.run(&["import", &data(model), "--out", model]).ended(0);
    }
    sandbox
}

/// Writes an experiment and measures a model with it; figures and the rows of `items.jsonl`.
fn measured(sandbox: &Sandbox, model: &str, role: &str, text: &str, evaluator: &str) -> (Json, Vec<Json>) {
    let out = format!("{model}-out");
    let _ = std::fs::remove_dir_all(sandbox.file(&out));
    let toml = format!(
        "[run]\nbatch_rows = 2\n[data.text]\n{text}\ntokenizer = \"bytes\"\nlength = 64\n[model.{role}]\n[evaluator]\n{evaluator}\n"
    );
    sandbox.write("measure.toml", &toml);
    let json = sandbox.run(&["eval", model, "--with", "measure.toml", "--out", &out, "--json"]).ended(0).json();
    let items = std::fs::read_to_string(sandbox.file(&out).join("items.jsonl")).expect("items");
    let metrics = std::fs::read_to_string(sandbox.file(&out).join("metrics.jsonl")).expect("metrics");
    let row: Json = serde_json::from_str(metrics.trim()).expect("one row");
    for (name, value) in json["figures"].as_object().expect("figures") {
        assert_eq!(row[name].as_f64(), value.as_f64(), "metrics.jsonl and the answer agree on {name}");
    }
    (json["figures"].clone(), items.lines().map(|line| serde_json::from_str(line).expect("an item")).collect())
}

#[track_caller]
fn near(found: &Json, wanted: &Json) {
    let (a, b) = (found.as_f64().expect("a number"), wanted.as_f64().expect("a number"));
    assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} where {b} belongs");
}

#[track_caller]
fn near_figures(found: &Json, wanted: &Json) {
    for (name, value) in wanted.as_object().expect("figures").iter().filter(|(_, value)| value.is_number()) {
        assert!(found[name].is_number(), "no figure `{name}` in {found}");
        near(&found[name], value);
    }
}

#[track_caller]
fn near_items(items: &[Json], name: &str, wanted: &Json) {
    let wanted = wanted.as_array().expect("a list");
    assert_eq!(items.len(), wanted.len());
    items.iter().zip(wanted).for_each(|(item, wanted)| near(&item[name], wanted));
}

#[test]
fn likelihoods_are_those_of_transformers() {
    let (sandbox, expected) = (sandbox(), expected());
    let texts = format!("files = [{:?}]\ndocuments = \"line\"", data("texts.txt"));
    let (figures, items) = measured(&sandbox, "gpt2", "decoder", &texts, "use = \"perplexity\"\nrows = 50");
    near_figures(&figures, &expected["perplexity"]);
    near_items(&items, "nats", &expected["perplexity"]["nats"]);
    let (figures, items) = measured(&sandbox, "bert", "encoder", &texts, "use = \"pseudo-perplexity\"\nrows = 100");
    near_figures(&figures, &expected["pseudo-perplexity"]);
    near_items(&items, "nats", &expected["pseudo-perplexity"]["nats"]);

    // A causal model is no masked one, and the other way round.
    let refused = sandbox.run(&["eval", "bert", "--with", "measure.toml", "evaluator.how=sideways"]).ended(2);
    assert!(refused.error().contains("`how` cannot be `sideways`"), "{}", refused.err);
    sandbox
        .write("measure.toml", format!("[data.text]\n{texts}\n[model.decoder]\n[evaluator]\nuse = \"perplexity\"\n"));
    let refused = sandbox.run(&["eval", "bert", "--with", "measure.toml"]);
    assert!(refused.error().contains("sees the tokens it is to predict"), "{}", refused.err);
}

#[test]
fn pairs_and_questions_are_decided_as_there() {
    let (sandbox, expected) = (sandbox(), expected());
    let pairs = format!("files = [{:?}]\nfield = \"good\"\nsecond_field = \"bad\"", data("pairs.jsonl"));
    for (model, role, how) in [("gpt2", "decoder", "causal"), ("bert", "encoder", "pseudo")] {
        let evaluator = format!("use = \"minimal-pairs\"\nrole = \"{role}\"\nhow = \"{how}\"");
        let (figures, items) = measured(&sandbox, model, role, &pairs, &evaluator);
        let wanted = &expected[format!("minimal-pairs {how}")];
        near_figures(&figures, wanted);
        near_items(&items, "good", &wanted["good"]);
        near_items(&items, "bad", &wanted["bad"]);
    }
    let labelled = format!("{pairs}\nlabel_field = \"phenomenon\"");
    let (figures, _) = measured(&sandbox, "gpt2", "decoder", &labelled, "use = \"minimal-pairs\"");
    let of = |name: &str| figures[format!("accuracy/{name}")].as_f64().expect("a phenomenon");
    let mean = (of("agreement") + of("anaphor") + of("article")) / 3.0;
    assert!((figures["mean_of_phenomena"].as_f64().expect("a mean") - mean).abs() < 1e-12, "{figures}");

    let questions = format!(
        "files = [{:?}]\nfield = \"prompt\"\nsecond_field = \"answer\"\nlabel_field = \"right\"\nlabel_kind = \"score\"",
        data("questions.jsonl")
    );
    let (figures, items) = measured(&sandbox, "gpt2", "decoder", &questions, "use = \"rank\"");
    near_figures(&figures, &expected["rank"]);
    near_items(&items, "log_probability", &expected["rank"]["log_probability"]);
    assert_eq!(figures["questions"].as_f64(), Some(3.0));
}

#[test]
fn features_are_compared_and_probed_as_there() {
    let (sandbox, expected) = (sandbox(), expected());
    let sentences = format!(
        "files = [{:?}]\nfield = \"a\"\nsecond_field = \"b\"\nlabel_field = \"score\"\nlabel_kind = \"score\"",
        data("sentences.jsonl")
    );
    let (figures, items) = measured(&sandbox, "bert", "encoder", &sentences, "use = \"similarity\"");
    near_figures(&figures, &expected["similarity"]);
    near_items(&items, "cosine", &expected["similarity"]["cosine"]);
    let labelled = format!(
        "files = [{:?}]\nvalid_files = [{:?}]\nlabel_field = \"label\"",
        data("train.jsonl"),
        data("valid.jsonl")
    );
    let (figures, items) = measured(&sandbox, "bert", "encoder", &labelled, "use = \"probe\"");
    near_figures(&figures, &expected["probe"]);
    assert!(items[0].get("features").is_none() && items[0]["label"].is_number(), "{}", items[0]);
    let (earlier, _) =
        measured(&sandbox, "bert", "encoder", &labelled, "use = \"probe\"\nlayer = 0\nmethod = \"linear\"");
    assert!(earlier["accuracy"].is_number() && earlier.get("knn_accuracy").is_none(), "{earlier}");
}

#[test]
fn a_run_is_measured_with_the_heads_that_it_trained() {
    let sandbox = Sandbox::new("mlm");
    let _ = sandbox.run(&["run", "tiny.toml", "run.steps=2", "--out", "run"]).ended(0);
    let record = std::fs::read(sandbox.file("run/provenance.json")).expect("a record");
    sandbox.write(
        "measure.toml",
        "[data.text]\nfiles = [\"text.txt\"]\nlength = 32\n[model.encoder]\n[evaluator]\nuse = \"pseudo-perplexity\"\nbatches = 1\n",
    );
    let measure = |changes: &[&str]| {
        let mut arguments = vec!["eval", "run", "--with", "measure.toml", "--json"];
        arguments.extend(changes);
        sandbox.run(&arguments)
    };
    let json = measure(&[]).ended(0).json();
    let figure = json["figures"]["pseudo_perplexity"].as_f64().expect("a figure");
    assert!(figure > 1.0 && figure < 1e4, "{json}");
    assert_eq!(measure(&["run.data_threads=3"]).ended(0).json()["figures"], json["figures"]);
    // Other batches: the same but for rounding.
    near_figures(&measure(&["evaluator.rows=200"]).ended(0).json()["figures"], &json["figures"]);
    // A head that the run has not trained is no head to measure with.
    let arguments = ["run", "measure.toml", "model.encoder.weights=run", "model.encoder.tied_head=false"];
    let untied = sandbox.run(&[&arguments[..], &["data.text.tokenizer=run", "--out", "untied"]].concat()).ended(2);
    assert!(untied.error().contains("has no fitting `objective.encoder.tokens"), "{}", untied.err);
    assert_eq!(std::fs::read(sandbox.file("run/provenance.json")).expect("a record"), record, "the run stays as it is");
    assert!(!sandbox.file("run/items.jsonl").exists());

    // The same as a run of its own, with the weights named.
    let arguments =
        ["run", "measure.toml", "model.encoder.weights=run", "data.text.tokenizer=run", "--out", "own", "--json"];
    assert_eq!(sandbox.run(&arguments).ended(0).json()["figures"], json["figures"]);
    let kept = std::fs::read_to_string(sandbox.file("own/experiment.toml")).expect("the resolved file");
    assert!(kept.contains("[evaluator]\nuse = \"pseudo-perplexity\""), "{kept}");
    let again = sandbox.run(&["run", "own/experiment.toml", "--out", "again", "--json"]).ended(0).json();
    assert_eq!(again["figures"], json["figures"], "the record measures the same again");
    let resumed = sandbox.run(&["run", "--resume", "--out", "own"]).ended(2);
    assert!(resumed.error().contains("cannot be resumed"), "{}", resumed.err);
}
