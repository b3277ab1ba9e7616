//! Weights handed from run to run and from folder to run, and models opened without their corpus.

use std::collections::BTreeMap;

use lacuna_tests::{Sandbox, Stored, read_tensors, repository};

/// A sandbox with a causal run `causal` of no steps, its model in the role `decoder`.
fn with_causal_run() -> Sandbox {
    let sandbox = Sandbox::new("clm");
    let text = std::fs::read_to_string(sandbox.file("tiny.toml")).expect("the experiment");
    sandbox.write("causal.toml", text.replace("[model.encoder]", "[model.decoder]\ncausal = true"));
    let changes = ["model.decoder.bias=false", "model.decoder.pre_norm=true"];
    let arguments = [&["run", "causal.toml", "run.steps=2", "--out", "causal"][..], &changes[..]].concat();
    let _ = sandbox.run(&arguments).ended(0);
    sandbox.write("mlm.toml", text.replace("clm", "mlm"));
    sandbox
}

fn weights(sandbox: &Sandbox, run: &str) -> BTreeMap<String, Stored> {
    read_tensors(&sandbox.file(run).join("checkpoints/last/model.safetensors"))
}

/// The tensors below a role, without its name.
fn below(weights: &BTreeMap<String, Stored>, role: &str) -> BTreeMap<String, Stored> {
    let role = format!("{role}.");
    weights.iter().filter_map(|(name, stored)| Some((name.strip_prefix(&role)?.to_owned(), stored.clone()))).collect()
}

#[test]
fn a_role_takes_the_weights_of_a_run_whose_only_model_had_another_name() {
    let sandbox = with_causal_run();
    let text = std::fs::read_to_string(sandbox.file("mlm.toml")).expect("the experiment");
    let start = text.find("[model.encoder]").expect("a model");
    let end = text[start..].find("\n\n").expect("its end") + start;
    // Neither family nor settings: those of the run.
    sandbox.write("taken.toml", format!("{}[model.encoder]\nweights = \"causal\"{}", &text[..start], &text[end..]));
    let _ = sandbox.run(&["run", "taken.toml", "run.steps=0", "--out", "taken"]).ended(0);
    let (causal, taken) = (weights(&sandbox, "causal"), weights(&sandbox, "taken"));
    assert!(!below(&causal, "decoder").is_empty());
    assert!(below(&causal, "decoder") == below(&taken, "encoder"));
    let _ = sandbox
        .run(&["run", "taken.toml", "run.steps=0", "model.encoder.weights_role=decoder", "--out", "named"])
        .ended(0);
    assert!(weights(&sandbox, "named") == taken);
    let error =
        sandbox.run(&["run", "taken.toml", "model.encoder.weights_role=teacher", "--out", "no"]).ended(2).error();
    assert!(error.contains("`teacher`") && error.contains("`decoder`"), "{error}");
    assert!(!sandbox.file("no").exists());
}

#[test]
fn a_run_that_keeps_averages_hands_them_over_unless_told_otherwise() {
    let sandbox = Sandbox::new("mlm");
    let train =
        ["run", "tiny.toml", "run.steps=5", "optimizer.ema=0.7", "optimizer.learning_rate=0.05", "--out", "run"];
    let _ = sandbox.run(&train).ended(0);
    let take = |changes: &[&str], out: &str| {
        let fixed = ["run", "tiny.toml", "run.steps=0", "run.seed=9", "model.encoder.weights=run", "--out", out];
        let _ = sandbox.run(&[&fixed[..], changes].concat()).ended(0);
        weights(&sandbox, out)
    };
    let (averaged, raw) = (take(&[], "averaged"), take(&["model.encoder.weights_averaged=false"], "raw"));
    assert!(raw == weights(&sandbox, "run"));
    let averages = read_tensors(&sandbox.file("run/checkpoints/last/optimizer.safetensors"));
    for (name, stored) in &averaged {
        assert!(averages[&format!("ema/{name}")] == *stored && raw[name] != *stored, "{name}");
    }
    let features = |changes: &[&str], out: &str| {
        let fixed = ["features", "run", "--input", "text.txt", "--max-length", "32", "--output", out];
        let _ = sandbox.run(&[&fixed[..], changes].concat()).ended(0);
        read_tensors(&sandbox.file(out))
    };
    assert!(features(&[], "a.safetensors")["pooled"] != features(&["--no-averages"], "b.safetensors")["pooled"]);
}

#[test]
fn models_open_without_their_corpus() {
    let sandbox = with_causal_run();
    let generate = ["generate", "causal", "--prompt", "the king", "--tokens", "8", "--ignore-end", "--json"];
    let before = sandbox.run(&generate).ended(0).json();
    std::fs::remove_file(sandbox.file("text.txt")).expect("removed");
    let after = sandbox.run(&generate).ended(0).json();
    assert_eq!((&before["tokens"], &before["texts"]), (&after["tokens"], &after["texts"]));
    sandbox.write("lines.txt", "the king\nsaid\n");
    let said = sandbox
        .run(&["features", "causal", "--input", "lines.txt", "--output", "f.safetensors", "--json"])
        .ended(0)
        .json();
    assert_eq!(said["tensors"]["logits"][2].as_u64(), Some(260), "a tied head has no weights, and is there: {said}");
    for nothing in ["none", "cache"] {
        let error = sandbox.run(&["generate", nothing, "--prompt", "x"]).ended(2).error();
        assert!(error.contains(nothing) && error.contains("help:"), "{error}");
    }
}

#[test]
fn imported_decoders_generate_what_transformers_does() {
    let sandbox = Sandbox::new("mlm");
    for name in ["gpt2-a", "llama-a"] {
        let folder = repository().join("plugins/transformer/tests/fixtures").join(name);
        let expected = read_tensors(&folder.join("expected.safetensors"));
        let numbers = |name: &str| -> Vec<i64> {
            expected[name].bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
        };
        let (prompts, lengths, greedy) =
            (numbers("generate.prompts"), numbers("generate.prompt_lengths"), numbers("generate.greedy"));
        let (mut lines, mut start) = (String::new(), 0);
        for length in &lengths {
            let end = start + *length as usize;
            lines.push_str(&format!("{{\"input_ids\": {:?}}}\n", &prompts[start..end]));
            start = end;
        }
        sandbox.write("prompts.jsonl", lines);
        let _ = sandbox.run(&["import", &folder.display().to_string(), "--out", name]).ended(0);
        let most = (greedy.len() / lengths.len()).to_string();
        let arguments = [
            "generate",
            name,
            "--prompt-ids",
            "prompts.jsonl",
            "--greedy",
            "--tokens",
            &most,
            "--ignore-end",
            "--json",
        ];
        let said = sandbox.run(&arguments).ended(0).json();
        for (row, theirs) in greedy.chunks(greedy.len() / lengths.len()).enumerate() {
            let own: Vec<i64> =
                said["tokens"][row].as_array().into_iter().flatten().filter_map(|id| id.as_i64()).collect();
            // Theirs ends with the end token, behind which -1 fills.
            let theirs: Vec<i64> = theirs.iter().copied().take_while(|id| *id >= 0).collect();
            assert_eq!(own[..theirs.len()], theirs, "{name}, prompt {row}");
        }
        assert!(said["texts"][0].is_null(), "no tokenizer, no text");
    }
}
