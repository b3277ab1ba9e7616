//! The program's commands as a user types them: results, machine-readable output, exit codes, suggestions.

use lacuna_tests::Sandbox;

#[test]
fn a_run_and_everything_that_is_done_with_it() {
    let sandbox = Sandbox::new("mlm");
    let result = sandbox.run(&["--json", "run", "tiny.toml", "--out", "one"]).ended(0).json();
    assert_eq!((&result["ended"], &result["step"]), (&"done".into(), &12.into()));
    let loss = result["held_out"]["loss"].as_f64().expect("a held-out loss");
    assert!(
        loss.is_finite() && result["held_out"]["unigram_loss"].as_f64().is_some_and(|unigram| unigram > 1.0),
        "{result}"
    );
    assert!(result["parameters"].as_u64().is_some_and(|count| count > 1000), "{result}");
    for file in
        ["experiment.toml", "metrics.jsonl", "report.html", "checkpoints/last/model.safetensors", "tokenizer.json"]
    {
        assert!(sandbox.file("one").join(file).is_file(), "the run folder has no {file}");
    }
    let record = std::fs::read_to_string(sandbox.file("one/experiment.toml")).expect("the record can be read");
    assert!(record.contains("mask_rate = 0.15 # default") && record.contains("tiny.toml, line"), "{record}");

    let measured = sandbox.run(&["--json", "eval", "one"]).ended(0).json();
    let again = measured["held_out"]["loss"].as_f64().expect("a held-out loss");
    assert!((again - loss).abs() < 1e-6, "the run says {loss}, the evaluation {again}");
    let filled = sandbox
        .run(&["--json", "eval", "one", "--batches", "0", "--fill", "the ___ of the king", "--guesses", "2"])
        .ended(0)
        .json();
    assert!(filled["filled"].as_array().is_some_and(|all| all.len() == 1), "{filled}");

    let _ = sandbox.run(&["run", "tiny.toml", "--out", "two", "objective.mask_rate=0.3", "run.seed=4"]).ended(0);
    let table = sandbox.run(&["compare", "one", "two", "--html", "both.html"]).ended(0);
    assert!(table.out.contains("mask_rate") && sandbox.file("both.html").is_file(), "{}", table.out);
    let _ = sandbox.run(&["--json", "compare", "one", "two"]).ended(0).json();
    let missing = sandbox.run(&["eval", "three"]).ended(2);
    assert!(missing.error().contains("three"), "{}", missing.err);
    let missing = sandbox.run(&["eval", "one", "--checkpoint", "first"]).ended(2);
    assert!(missing.error().contains("last"), "{}", missing.err);
}

#[test]
fn without_out_runs_are_numbered() {
    let sandbox = Sandbox::new("mlm");
    for number in 1..=2 {
        let result = sandbox.run(&["--json", "run", "tiny.toml", "run.steps=2"]).ended(0).json();
        assert!(result["run"].as_str().is_some_and(|run| run.ends_with(&format!("runs/tiny-000{number}"))), "{result}");
    }
}

#[test]
fn wrong_requests_end_with_2_and_a_suggestion() {
    let sandbox = Sandbox::new("mlm");
    let cases: [(&[&str], &[&str]); 8] = [
        (
            &["run", "tiny.toml", "objective.mask_rat=0.3"],
            &["error[config/unknown-setting]", "did you mean `mask_rate`"],
        ),
        (&["run", "tiny.toml", "objective.mask_rate=3.0"], &["error[config/range]", "mask_rate", "command line"]),
        (&["run", "tiny.toml", "objectiv.mask_rate=0.3"], &["objectiv", "objective"]),
        (&["run", "tiny.toml", "run.stps=3"], &["did you mean `steps`"]),
        (&["run", "missing.toml"], &["missing.toml"]),
        (&["run", "tiny.toml", "data.text.files=[\"nowhere.txt\"]"], &["nowhere.txt"]),
        (&["run", "tiny.toml", "objective.use=mln"], &["did you mean `mlm`"]),
        (&["plugins", "info", "transfomer"], &["did you mean `transformer`"]),
    ];
    for (arguments, expected) in cases {
        let ran = sandbox.run(arguments).ended(2);
        let error = ran.error();
        for words in expected {
            assert!(error.contains(words), "{}\nno `{words}` in {error}", ran.command);
        }
        assert!(ran.out.is_empty(), "{} wrote to standard output: {}", ran.command, ran.out);
    }
    assert!(!sandbox.file("runs").exists());
}

#[test]
fn plugins_are_listed_and_explained() {
    let sandbox = Sandbox::new("mlm");
    let list = sandbox.run(&["--json", "plugins"]).ended(0).json();
    let names: Vec<&str> =
        list["plugins"].as_array().into_iter().flatten().filter_map(|plugin| plugin["name"].as_str()).collect();
    for name in ["clm", "misbehaving", "mlm", "transformer"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let text = sandbox.run(&["plugins", "list"]).ended(0).out;
    assert!(text.contains("mlm") && text.contains("model family") && text.contains("objective"), "{text}");
    let info = sandbox.run(&["plugins", "info", "mlm"]).ended(0).out;
    for words in ["mask_rate", "default 0.15", "from 0.01 to 0.9", "lacuna.objective/0", "rustc"] {
        assert!(info.contains(words), "no {words} in {info}");
    }
    let page = sandbox.run(&["plugins", "info", "mlm", "--markdown"]).ended(0).out;
    assert!(page.starts_with("# mlm") && page.contains("| `mask_rate` |"), "{page}");
    assert_eq!(sandbox.run(&["--json", "plugins", "info", "mlm"]).ended(0).json()["name"], "mlm");
}

#[test]
fn data_is_inspected_and_prepared() {
    let sandbox = Sandbox::new("mlm");
    let inspected = sandbox.run(&["--json", "data", "inspect", "text.txt"]).ended(0).json();
    assert!(inspected.is_object(), "{inspected}");
    let first = sandbox.run(&["data", "prepare", "tiny.toml"]).ended(0);
    assert!(!first.out.is_empty(), "{first:?}");
    let _ = sandbox.run(&["data", "prepare", "tiny.toml"]).ended(0);
}

#[test]
fn doctor_names_plugins_and_devices() {
    let sandbox = Sandbox::new("mlm");
    let facts = sandbox.run(&["--json", "doctor"]).ended(0).json();
    assert_eq!(facts["boundary"], 1);
    assert!(facts["plugins"].as_array().is_some_and(|plugins| plugins.len() >= 4), "{facts}");
    assert!(sandbox.run(&["doctor"]).ended(0).out.contains("plugins"));
}

#[test]
fn new_plugins_overwrite_nothing_and_have_good_names() {
    let sandbox = Sandbox::new("mlm");
    let made = sandbox.run(&["--json", "plugins", "new", "span", "--objective"]).ended(0).json();
    assert_eq!(made["commands"].as_array().map(Vec::len), Some(3), "{made}");
    assert!(sandbox.file("span/src/lib.rs").is_file());
    let again = sandbox.run(&["plugins", "new", "span", "--model"]).ended(2);
    assert!(again.error().contains("is there already"), "{}", again.err);
    let wrong = sandbox.run(&["plugins", "new", "2Span", "--objective"]).ended(2);
    assert!(wrong.error().contains("lower-case"), "{}", wrong.err);
    let neither = sandbox.run(&["plugins", "new", "other"]);
    assert_eq!(neither.code, Some(2), "{}", neither.err);
}

#[test]
fn a_causal_model_continues_texts() {
    let sandbox = Sandbox::new("clm");
    let experiment = std::fs::read_to_string(sandbox.file("tiny.toml")).expect("the experiment can be read");
    sandbox.write(
        "tiny.toml",
        experiment.replace("[model.encoder]", "[model.decoder]\ncausal = true\nmaximum_length = 40"),
    );
    let _ = sandbox.run(&["run", "tiny.toml", "--out", "one"]).ended(0);

    let arguments =
        ["--json", "generate", "one", "--prompt", "the king", "--prompt", "a", "--tokens", "9", "--ignore-end"];
    let generate = |more: &[&str]| sandbox.run(&[&arguments[..], more].concat()).ended(0).json();
    let first = generate(&["--seed", "5"]);
    for (text, prompt) in [("texts", 2), ("tokens", 2), ("prompt_ids", 2), ("ended", 2)] {
        assert_eq!(first[text].as_array().map(Vec::len), Some(prompt), "{first}");
    }
    assert!(first["tokens"][0].as_array().is_some_and(|tokens| tokens.len() == 9), "{first}");
    assert!(first["milliseconds_per_token"].as_f64().is_some_and(|time| time > 0.0), "{first}");
    assert!(first["seconds"].as_f64() >= first["prefill_seconds"].as_f64(), "{first}");
    assert_eq!(first["tokens"], generate(&["--seed", "5", "--batch", "1"])["tokens"]);
    assert_ne!(first["tokens"], generate(&["--seed", "6"])["tokens"]);
    assert_eq!(generate(&["--greedy"])["tokens"], generate(&["--temperature", "0", "--precision", "f32"])["tokens"]);
    assert_eq!(generate(&["--greedy"])["tokens"], generate(&["--top-k", "1"])["tokens"]);
    assert_eq!(generate(&["--greedy"])["tokens"], generate(&["--beam", "1"])["tokens"]);
    let searched = generate(&["--beam", "4", "--length-penalty", "0"]);
    let score = |found: &serde_json::Value| found["scores"][0].as_f64().expect("a score");
    assert!(score(&searched) >= score(&generate(&["--beam", "1", "--length-penalty", "0"])), "{searched}");
    assert!(first["scores"][0].is_null(), "{first}");

    let ids = format!("{{\"input_ids\": {}}}\n{{\"input_ids\": {}}}\n", first["prompt_ids"][0], first["prompt_ids"][1]);
    sandbox.write("prompts.jsonl", ids);
    let given =
        ["--json", "generate", "one", "--prompt-ids", "prompts.jsonl", "--tokens", "9", "--ignore-end", "--seed", "5"];
    assert_eq!(sandbox.run(&given).ended(0).json()["tokens"], first["tokens"]);
    let long = ["--json", "generate", "one", "--prompt", "the king", "--prompt", "a", "--tokens", "90", "--ignore-end"];
    let long = sandbox.run(&long).ended(0).json();
    assert_eq!(long["ended"], serde_json::json!(["length", "length"]), "{long}");
    let plain = sandbox.run(&["generate", "one", "--prompt", "the king", "--tokens", "4"]).ended(0).out;
    assert!(plain.starts_with("the king"), "{plain}");

    let long = "king ".repeat(20);
    let cases: [(&[&str], &str); 8] = [
        (&["generate", "one", "--prompt", &long], "the model reads at most 40"),
        (&["generate", "one", "--role", "encoder"], "it has `decoder`"),
        (&["generate", "one", "--top-p", "1.5"], "give a share above 0, at most 1"),
        (&["generate", "one", "--temperature", "-1"], "the temperature is -1"),
        (&["generate", "one", "--prompt-ids", "text.txt"], "a line is {\"input_ids\": [5, 17, 30]}"),
        (&["generate", "one", "--checkpoint", "first"], "last"),
        (&["generate", "one", "--fill", "the ___ sat"], "is causal: it does not see what follows a gap"),
        (&["generate", "one", "--beam", "2", "--length-penalty", "NaN"], "the length penalty is NaN"),
    ];
    for (arguments, words) in cases {
        let ran = sandbox.run(arguments).ended(2);
        assert!(ran.error().contains(words), "{}\nno `{words}` in {}", ran.command, ran.err);
    }
}

#[test]
fn a_model_that_sees_what_comes_after_continues_nothing() {
    let sandbox = Sandbox::new("mlm");
    let _ = sandbox.run(&["run", "tiny.toml", "--out", "one", "run.steps=1"]).ended(0);
    let error = sandbox.run(&["generate", "one", "--prompt", "the king"]).ended(2).error();
    assert!(error.contains("not causal") && error.contains("--fill"), "{error}");
    // It fills gaps, as its objective does.
    let text = "the ___ of the ___ is here";
    let filled = sandbox.run(&["--json", "generate", "one", "--fill", text, "--guesses", "2"]).ended(0).json();
    let by_objective = ["--json", "eval", "one", "--fill", text, "--guesses", "2", "--batches", "0"];
    let by_objective = sandbox.run(&by_objective).ended(0).json();
    let pieces = |found: &serde_json::Value| found["filled"][0]["pieces"].as_array().expect("pieces").clone();
    assert_eq!((pieces(&filled).len(), pieces(&by_objective).len()), (5, 5), "{filled}");
    for gap in [1, 3] {
        let words = |found: &serde_json::Value| {
            let guesses = pieces(found)[gap]["guesses"].clone();
            [0, 1].map(|rank| guesses[rank][0].as_str().expect("a word").to_owned())
        };
        assert_eq!(words(&filled), words(&by_objective), "{filled}");
    }
    assert!(sandbox.run(&["generate", "one", "--fill", "no gap"]).ended(2).error().contains("has no gap"));
}
