//! Frozen roles, and weights that come from a run.

use super::support::*;

#[test]
fn a_frozen_role_stays_bit_for_bit() {
    let mut session = session("mlm", &["model.encoder.frozen=true", "model.encoder.tied_head=false"]);
    let before = weights(&session);
    run(&mut session, 4);
    let after = weights(&session);
    let state = session.stepper.optimizer.state().expect("a state");
    let mut learnt = 0;
    for (name, saved) in &before {
        let remembered = state.iter().any(|saved| saved.name.ends_with(&format!("/{name}")));
        let frozen = name.starts_with("encoder.");
        assert_eq!(saved == &after[name], frozen, "`{name}`");
        assert_eq!(remembered, !frozen, "`{name}`");
        learnt += usize::from(!frozen);
    }
    assert!(learnt > 0, "the head learns");
}

#[test]
fn a_run_gives_its_weights_to_another() {
    let folder = Folder::new();
    let run = folder.path("run");
    train(experiment("mlm", &["run.steps=3"]), &run).unwrap_or_else(|error| panic!("{error}"));
    let from = format!("model.encoder.weights={:?}", run.display().to_string());
    let trained =
        lacuna::train::Session::of_run(&run, "last", &[], &beside_the_test()).unwrap_or_else(|error| panic!("{error}"));
    let (trained, taken) = (weights(&trained), weights(&session("mlm", &[&from, "run.seed=9"])));
    assert_eq!(taken, trained, "the role and its heads");
    // A head that the run did not have begins anew; what fits is taken along.
    let untied = &["run.seed=9", "model.encoder.tied_head=false"];
    let (fresh, taken) =
        (weights(&session("mlm", untied)), weights(&session("mlm", &[untied, &[from.as_str()][..]].concat())));
    for (name, saved) in &taken {
        assert_eq!(saved, trained.get(name).unwrap_or_else(|| &fresh[name]), "`{name}`");
    }
    assert!(taken.keys().any(|name| !trained.contains_key(name)));

    let refused = |changes: &[&str], name: &str| {
        let changes = [&[from.as_str()][..], changes].concat();
        let error = open(experiment("mlm", &changes)).err().expect("another model");
        let text = error.to_string();
        assert_eq!(error.code, "run/weights");
        assert!(text.contains(name) && text.contains("help:") && text.contains("model.safetensors"), "{text}");
    };
    refused(&["model.encoder.width=32"], "`encoder.embeddings.word_embeddings.weight` has shape");
    refused(&["model.encoder.num_layers=3"], "`encoder.encoder.layer.2.");
    refused(&["model.encoder.num_layers=1"], "`encoder.encoder.layer.1.");
    refused(&["model.encoder.bias=false"], ".bias`");
}

#[test]
fn a_role_nobody_asks_for_is_refused() {
    let error = open(experiment("mlm", &["model.teacher.family=\"transformer\""])).err().expect("a role too many");
    assert_eq!(error.code, "config/role");
    assert!(error.to_string().contains("`teacher`"), "{error}");
}
