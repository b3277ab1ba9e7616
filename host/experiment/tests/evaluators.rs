//! Files that measure: `[evaluator]` in the place of `[objective]`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{MLM, TRANSFORMER, load, refusal};
use experiment::Schema;

const PROBE: &str = "[data.text]\nfiles = ['Cargo.toml']\n[model.encoder]\nfamily = 'transformer'\n[evaluator]\nuse = 'probe'\nbatches = 3\nmask_rate = 0.5\n";

#[test]
fn a_file_that_measures_needs_no_steps_and_loads_again_as_it_is_written_down() {
    let experiment = load(PROBE, &[]).unwrap();
    let measuring = &experiment.objective;
    assert_eq!((measuring.name.as_str(), measuring.evaluator, measuring.batches), ("probe", true, Some(3)));
    assert_eq!(measuring.settings(&Schema::from_json(MLM).unwrap()).unwrap()["mask_rate"], 0.5);
    experiment.model("encoder").unwrap().settings(&Schema::from_json(TRANSFORMER).unwrap()).unwrap();
    let resolved = experiment.resolved();
    assert!(resolved.contains("\n[evaluator]\nuse = \"probe\"") && !resolved.contains("[optimizer]"), "{resolved}");
    let again = load(&resolved, &[]).unwrap();
    assert!(again.objective.evaluator && again.objective.batches == Some(3));
    assert_eq!(again.objective.settings(&Schema::from_json(MLM).unwrap()).unwrap()["mask_rate"], 0.5);
    assert_eq!(load(PROBE, &["evaluator.batches=7", "run.seed=2"]).unwrap().objective.batches, Some(7));
}

#[test]
fn what_only_training_reads_is_refused_beside_it() {
    for section in ["[objective]\nuse = 'mlm'\n", "[optimizer]\n", "[schedule]\n", "[[evaluate]]\n", "[checkpoint]\n"] {
        let error = refusal(&format!("{PROBE}{section}"), &[]);
        assert_eq!((error.code(), error.place().and_then(experiment::Source::line)), ("config/type", Some(9)));
        assert!(error.report().contains("trains nothing"), "{}", error.report());
    }
    assert_eq!(refusal("[data.text]\nfiles = ['Cargo.toml']\n[evaluator]\n", &[]).code(), "config/missing");
    assert_eq!(refusal(PROBE, &["evaluator.batches=0"]).code(), "config/range");
}
