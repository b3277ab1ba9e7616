//! Labelled data from files to figures: columns of batches, objectives that learn them, test data, wrong labels.

use std::path::Path;

use super::support::*;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/labelled").join(name);
    path.to_str().expect("a path in Unicode").to_owned()
}

/// The changes that put a fixture in place of the novels.
fn data(name: &str, more: &[&str]) -> Vec<String> {
    let file = fixture(name);
    let mut changes: Vec<String> =
        ["files", "valid_files"].iter().map(|key| format!("data.text.{key}=[{file:?}]")).collect();
    changes.extend(more.iter().map(|change| (*change).to_owned()));
    changes
}

const OPINIONS: [&str; 3] = ["data.text.field=\"0\"", "data.text.label_field=\"1\"", "data.text.length=100"];
const PAIRS: [&str; 4] = [
    "data.text.field=first",
    "data.text.second_field=second",
    "data.text.label_field=score",
    "data.text.label_kind=score",
];

fn with(objective: &str, changes: &[String]) -> lacuna::train::Session {
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    session(objective, &changes)
}

fn figure(session: &lacuna::train::Session, name: &str) -> f64 {
    let measured = session.held_out(None).expect("a measure").expect("held-out data");
    measured.metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{measured:?}")).1
}

/// Trains for some steps; returns a figure before and after.
fn learnt(objective: &str, changes: &[String], (steps, rate): (u64, f64), name: &str) -> (f64, f64) {
    let mut session = with(objective, changes);
    let before = figure(&session, name);
    let (mut guards, mut meters) = (lacuna::train::Guards::new(objective, 3, 0), lacuna::train::Meters::default());
    for batch in training(&session, 0, steps) {
        session.stepper.step(batch, rate, &mut guards, &mut meters).unwrap_or_else(|error| panic!("{error:?}"));
    }
    (before, figure(&session, name))
}

#[test]
fn classes_scores_and_tags_are_learnt() {
    let (before, after) = learnt("classify", &data("opinions.tsv", &OPINIONS), (120, 0.01), "accuracy");
    assert!(before < 0.8 && after > 0.95, "{before} {after}");
    let mut pairs = PAIRS.to_vec();
    pairs.extend(["data.text.length=64", "objective.kind=score", "objective.pooling=mean", "objective.dropout=0.0"]);
    let (before, after) = learnt("classify", &data("pairs.csv", &pairs), (400, 0.003), "pearson");
    assert!(before.abs() < 0.6 && after > 0.7, "{before} {after}");
    let tags = ["data.text.format=conll", "data.text.length=64"];
    let (before, after) = learnt("tag", &data("entities.conll", &tags), (120, 0.01), "span_f1");
    assert!(before < 0.5 && after > 0.8, "{before} {after}");
}

#[test]
fn batches_hold_labels_types_and_tags() {
    let column = |objective: &str, changes: &[String], name: &str| {
        let session = with(objective, changes);
        let batch = training(&session, 0, 1).remove(0).micro.remove(0);
        let rows = batch.tokens();
        let tensors = batch.into_tensors().expect("tensors");
        let found = tensors.iter().find(|tensor| tensor.name == name);
        let found =
            found.unwrap_or_else(|| panic!("{:?}", tensors.iter().map(|tensor| &tensor.name).collect::<Vec<_>>()));
        (format!("{:?}", found.dtype), found.shape.clone(), rows)
    };
    let (dtype, shape, _) = column("classify", &data("opinions.tsv", &OPINIONS), "text.label");
    assert_eq!((dtype.as_str(), shape), ("U32", vec![8]));
    let mut pairs = PAIRS.to_vec();
    pairs.push("objective.kind=score");
    let (dtype, shape, _) = column("classify", &data("pairs.csv", &pairs), "text.score");
    assert_eq!((dtype.as_str(), shape), ("F32", vec![8]));
    let (dtype, shape, rows) = column("classify", &data("pairs.csv", &pairs), "text.types");
    assert_eq!((dtype.as_str(), shape), ("U32", vec![rows]));
    let (dtype, shape, rows) = column("tag", &data("entities.conll", &["data.text.format=conll"]), "text.tags");
    assert_eq!((dtype.as_str(), shape), ("I64", vec![rows]));
}

#[test]
fn some_samples_are_the_same_whatever_the_seed() {
    let drawn = |more: &[&str]| {
        let mut changes = data("opinions.tsv", &OPINIONS);
        changes.extend(more.iter().map(|change| (*change).to_owned()));
        let session = with("classify", &changes);
        let text = session.text().expect("text");
        let all = |samples: &modality_text::Samples| {
            (0..samples.len()).map(|sample| samples.get(sample).ids).collect::<Vec<_>>()
        };
        (all(&text.train), text.valid.as_ref().map_or(0, |valid| valid.len()))
    };
    let (some, valid) = drawn(&["data.text.samples=9"]);
    assert_eq!((some.len(), valid), (9, 60));
    assert_eq!(drawn(&["data.text.samples=9", "run.seed=9"]).0, some);
    let (whole, _) = drawn(&[]);
    assert!(whole.len() == 60 && some.iter().all(|sample| whole.contains(sample)));
    assert_ne!(some, whole[..9]);
    // More than there are is all of them.
    assert_eq!(drawn(&["data.text.samples=70"]).0, whole);
    let (kept, held_out) = drawn(&["data.text.valid_files=[]", "data.text.valid_share=0.5", "data.text.samples=10"]);
    assert!(kept.len() == 10 && held_out > 15, "{held_out}");
}

#[test]
fn test_data_is_measured_when_the_run_has_ended() {
    let folder = Folder::new();
    let mut changes = data("opinions.tsv", &OPINIONS);
    changes.extend([format!("data.text.test_files=[{:?}]", fixture("opinions.tsv")), "run.steps=2".to_owned()]);
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    train(experiment("classify", &changes), &folder.path("run")).expect("a run");
    let metrics = std::fs::read_to_string(folder.path("run/metrics.jsonl")).expect("metrics");
    let last = metrics.lines().last().expect("a row");
    assert!(last.contains("\"test\"") && last.contains("\"macro_f1\":") && last.contains("\"accuracy\":"), "{last}");
    for file in ["items.jsonl", "items-test.jsonl"] {
        let rows = records::read_items(&folder.path("run").join(file)).expect("the items");
        assert_eq!((rows.len(), rows[0].values.len()), (60, 3), "{file}");
    }
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_written() {
    let folder = Folder::new();
    let refused = |objective: &str, changes: &[String]| {
        let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        let out = folder.path("never");
        let error = train(experiment(objective, &changes), &out).err().expect("a fault").to_string();
        assert!(!out.exists());
        error
    };
    let other = folder.write("other.tsv", "a fine day\tgood\na strange day\todd\n");
    let mut changes = data("opinions.tsv", &OPINIONS);
    changes.push(format!("data.text.valid_files=[{other:?}]"));
    let text = refused("classify", &changes);
    assert!(text.contains("other.tsv, line 2") && text.contains("`odd`") && text.contains("`bad`, `good`"), "{text}");
    let text = refused("classify", &data("entities.conll", &["data.text.format=conll"]));
    assert!(text.contains("`kind`") && text.contains("`tags`"), "{text}");
    let text = refused("tag", &data("opinions.tsv", &OPINIONS));
    assert!(text.contains("`class`"), "{text}");
    let text = refused("tag", &[]);
    assert!(text.contains("no labels"), "{text}");
    let mut causal = data("opinions.tsv", &OPINIONS);
    causal.extend(["model.encoder.causal=true".to_owned(), "objective.pooling=first".to_owned()]);
    let text = refused("classify", &causal);
    assert!(text.contains("causal"), "{text}");
    let mut weights = data("opinions.tsv", &OPINIONS);
    weights.push("objective.class_weights=[1.0]".to_owned());
    let text = refused("classify", &weights);
    assert!(text.contains("1 weights for the labels bad, good"), "{text}");
}

/// Lower layers move less; without the decay all move alike from the same gradients.
#[test]
fn lower_layers_learn_more_slowly() {
    let moved = |more: &[&str]| {
        let mut changes = data("opinions.tsv", &OPINIONS);
        changes.extend(more.iter().map(|change| (*change).to_owned()));
        changes.push("optimizer.weight_decay=0.0".to_owned());
        let mut session = with("classify", &changes);
        let values = |session: &lacuna::train::Session| {
            ["encoder.encoder.layer.0", "encoder.encoder.layer.1"].map(|layer| {
                let weights = session.stepper.weights.owners();
                let name = format!("{layer}.attention.self.query.weight");
                let weight = weights.iter().find(|weight| weight.name() == name);
                let weight = weight
                    .unwrap_or_else(|| panic!("{:?}", weights.iter().map(|w| w.name().to_owned()).collect::<Vec<_>>()));
                weight.value().flatten_all().and_then(|value| value.to_vec1::<f32>()).expect("numbers")
            })
        };
        let before = values(&session);
        let (mut guards, mut meters) = (lacuna::train::Guards::new("classify", 3, 0), lacuna::train::Meters::default());
        let batch = training(&session, 0, 1).remove(0);
        session.stepper.step(batch, 0.01, &mut guards, &mut meters).unwrap_or_else(|error| panic!("{error:?}"));
        let after = values(&session);
        [0, 1].map(|layer| {
            let most = before[layer].iter().zip(&after[layer]).map(|(a, b)| f64::from((a - b).abs()));
            most.fold(0.0, f64::max)
        })
    };
    // The first step of AdamW is as long as its learning rate.
    let plain = moved(&[]);
    assert!((plain[0] - plain[1]).abs() < 0.1 * plain[1], "{plain:?}");
    let slower = moved(&["optimizer.layer_decay=0.5"]);
    assert!(
        (slower[0] / plain[0] - 0.25).abs() < 0.03 && (slower[1] / plain[1] - 0.5).abs() < 0.05,
        "{slower:?} {plain:?}"
    );
}
