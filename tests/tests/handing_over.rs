//! What a run starts from can be handed over: its untrained weights and the batches of its steps.

use lacuna_tests::Sandbox;

#[test]
fn a_run_of_no_steps_saves_the_untrained_model() {
    let sandbox = Sandbox::new("mlm");
    let none = sandbox.run(&["run", "tiny.toml", "run.steps=0", "--out", "none", "--json"]).ended(0).json();
    assert_eq!((none["step"].as_u64(), none["ended"].as_str()), (Some(0), Some("done")));
    let model =
        |run: &str| std::fs::read(sandbox.file(run).join("checkpoints/last/model.safetensors")).expect("it is there");
    let _ = sandbox.run(&["run", "tiny.toml", "run.steps=2", "optimizer.learning_rate=0", "--out", "still"]).ended(0);
    assert!(model("none") == model("still"), "a rate of 0 leaves the weights as they began");
    let _ = sandbox.run(&["run", "tiny.toml", "run.steps=2", "--out", "trained"]).ended(0);
    assert!(model("none") != model("trained"));
}

#[test]
fn batches_are_written_as_the_objective_gets_them() {
    let sandbox = Sandbox::new("mlm");
    let inspect = |output: &str, threads: &str| {
        let arguments = ["data", "inspect", "tiny.toml", threads, "--batches", "3", "--output", output, "--json"];
        sandbox.run(&arguments).ended(0).json()
    };
    let said = inspect("one.safetensors", "run.data_threads=1");
    assert_eq!(said["batches"].as_u64(), Some(3));
    assert_eq!(said["samples"].as_u64(), Some(12));
    assert!(said["real_share"].as_f64().is_some_and(|share| share > 0.0 && share <= 1.0), "{said}");
    for column in ["text.tokens", "text.shown", "text.offsets", "chosen", "targets", "samples"] {
        assert!(said["first"][format!("0/{column}")].is_object(), "{column} is missing in {said}");
    }
    let _ = inspect("two.safetensors", "run.data_threads=3");
    let read = |name: &str| std::fs::read(sandbox.file(name)).expect("it is there");
    assert!(read("one.safetensors") == read("two.safetensors"), "threads change nothing");

    let divided = ["data", "inspect", "tiny.toml", "run.accumulation=2", "--batches", "epoch", "--json"];
    let said = sandbox.run(&divided).ended(0).json();
    assert!(said["batches"].as_u64().is_some_and(|batches| batches > 3), "{said}");
    assert!(said["first"]["0.1/text.tokens"].is_object(), "{said}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let sandbox = Sandbox::new("mlm");
    let stray = sandbox.run(&["data", "inspect", "tiny.toml", "text.txt", "--batches", "1"]).ended(2);
    assert!(stray.err.contains("`text.txt` is no setting"), "{}", stray.err);
    let there = sandbox.run(&["data", "inspect", "tiny.toml", "--batches", "1", "--output", "text.txt"]).ended(2);
    assert!(there.err.contains("is there already"), "{}", there.err);
    let alone = sandbox.run(&["data", "inspect", "text.txt", "--output", "x"]).ended(2);
    assert!(alone.err.contains("--batches"), "{}", alone.err);
}

#[test]
fn sentences_are_documents() {
    let sandbox = Sandbox::new("mlm");
    sandbox.write("three.txt", "Mr. Lamb\nsaid so. Who? I.\n");
    let said = sandbox.run(&["data", "inspect", "three.txt", "--documents", "sentence", "--json"]).ended(0).json();
    assert_eq!(said["documents"].as_u64(), Some(3), "{said}");
    let _ = sandbox.run(&["run", "tiny.toml", "data.text.documents=sentence", "run.steps=1", "--out", "run"]).ended(0);
}
