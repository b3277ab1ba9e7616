//! What must hold exactly: losses of a model that knows nothing, labels, where gradients go, shared embeddings, phases.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::*;

/// ln V and ln 2: what a model loses that gives every token, and either answer, the same probability.
#[test]
fn zeroed_heads_lose_what_ignorance_loses() {
    for (vocabulary, total) in [(30_522, 44.9836), (4_096, 42.975)] {
        let folder = Folder::new();
        let tokenizer = folder.tokenizer(vocabulary);
        let text = format!("data.text.tokenizer={tokenizer:?}");
        let session = folder.session(&[&text, "model.generator.tied_head=false", "objective.sharing=none"]);
        for weight in session.stepper.weights.owners().iter().filter(|weight| weight.name().starts_with("objective.")) {
            weight.set_value(&weight.value().zeros_like().unwrap()).unwrap();
        }
        let found = losses(&session, &batches(&session, 1)[0]);
        assert!((found["generator"] - f64::from(vocabulary).ln()).abs() < 1e-4, "{found:?}");
        assert!((found["discriminator"] - 2.0_f64.ln()).abs() < 1e-6, "{found:?}");
        let sum = found["generator"] + 50.0 * found["discriminator"];
        assert!((sum - total).abs() < 1e-3, "{sum} instead of {total}");
    }
}

#[test]
fn where_the_generator_is_right_nothing_counts_as_replaced() {
    let folder = Folder::new();
    folder.write("train.txt", &"aaaa aaaa aaa\n\n".replace(' ', "a").repeat(40));
    for head in ["scalar", "cls"] {
        let session = folder.session(&[&format!("objective.head={head}"), "objective.mask_rate=0.5"]);
        let weights = &session.stepper.weights;
        let named = |end: &str| weights.owners().into_iter().find(|weight| weight.name().ends_with(end)).unwrap();
        // Every draw of the generator is the one letter of the text; the discriminator's answer is 0.7 everywhere.
        set(
            &named("generator.tokens.cls.predictions.bias"),
            |index| if index == usize::from(b'a') { 1e4 } else { 0.0 },
        );
        let (weight, bias) = if head == "cls" {
            ("head.classifier.weight", "head.classifier.bias")
        } else {
            ("score.weight", "score.bias")
        };
        set(&named(weight), |_| 0.0);
        set(&named(bias), |_| 0.7);
        let batch = &batches(&session, 1)[0];
        let result = session.stepper.objective.loss(&call(&session, 0), batch).unwrap();
        let replaced = result.metrics.iter().find(|metric| metric.name == "replaced").unwrap();
        assert_eq!(replaced.sum.item().unwrap(), 0.0);
        let judged = replaced.count.item().unwrap();
        assert_eq!(judged, tokens(batch) as f64, "every real position is judged, special ones too");
        let softplus = (1.0 + 0.7_f64.exp()).ln();
        assert!((losses(&session, batch)["discriminator"] - softplus).abs() < 1e-5);
    }
}

#[test]
fn unselected_positions_stay_and_only_chosen_ones_are_judged_where_told() {
    let folder = Folder::new();
    for (everywhere, share) in [("true", 1.0), ("false", 0.15)] {
        let session = folder.session(&[&format!("objective.everywhere={everywhere}")]);
        let batch = &batches(&session, 1)[0];
        let result = session.stepper.objective.loss(&call(&session, 0), batch).unwrap();
        let count = |name: &str| {
            let part = result.parts.iter().find(|part| part.name == name).unwrap();
            part.count.item().unwrap()
        };
        let replaced = result.metrics.iter().find(|metric| metric.name == "replaced").unwrap().sum.item().unwrap();
        assert!(replaced > 0.0 && replaced <= count("generator"), "a label is true at chosen positions only");
        let rows = tokens(batch) as f64 * share;
        assert!((count("discriminator") - rows).abs() <= 0.06 * tokens(batch) as f64, "{everywhere}");
    }
    let session = folder.session(&["objective.disallow_correct=true"]);
    let result = session.stepper.objective.loss(&call(&session, 0), &batches(&session, 1)[0]).unwrap();
    let replaced = result.metrics.iter().find(|metric| metric.name == "replaced").unwrap();
    let chosen = result.parts.iter().find(|part| part.name == "generator").unwrap();
    assert_eq!(replaced.sum.item().unwrap(), chosen.count.item().unwrap(), "never the right token");
}

/// The generator learns nothing from the discriminator but through a table that both train.
#[test]
fn the_discriminators_loss_does_not_reach_the_generators_body() {
    let folder = Folder::new();
    for (sharing, shared) in [("none", false), ("es", true), ("gdes", false)] {
        let session = folder.session(&[&format!("objective.sharing={sharing}")]);
        let reached = reached(&session, "discriminator");
        let of_generator: Vec<&String> = reached.iter().filter(|name| name.contains("generator.")).collect();
        let table = "generator.embeddings.word_embeddings.weight";
        assert_eq!(of_generator, if shared { vec![table] } else { vec![] }, "{sharing}");
        let own = "discriminator.embeddings.word_embeddings.weight".to_owned();
        assert_eq!(reached.contains(&own), !shared, "{sharing}");
        assert!(
            !self::reached(&session, "generator").iter().any(|name| name.starts_with("discriminator.")),
            "{sharing}"
        );
    }
}

const TABLE: [&str; 2] =
    ["generator.embeddings.word_embeddings.weight", "discriminator.embeddings.word_embeddings.weight"];
const GDES: [&str; 2] = ["objective.sharing=gdes", "objective.alternating=true"];

#[test]
fn the_discriminator_learns_a_difference_and_leaves_the_generators_table_alone() {
    let folder = Folder::new();
    let mut session = folder.session(&GDES);
    let [generator, discriminator] = TABLE.map(|name| session.stepper.weights.get(name).unwrap());
    assert_eq!(flat(&discriminator.materialise().unwrap()), flat(&generator.value()), "at first both see one table");

    // Only the discriminator's phase steps.
    let before = flat(&generator.value());
    let kept = mute(&mut session, 0);
    step(&mut session, 0);
    assert!(kept.lock().unwrap().contains(&TABLE[0].to_owned()), "the generator's phase has its gradient");
    assert_eq!(flat(&generator.value()), before, "bit for bit");
    let difference = flat(&discriminator.value());
    assert!(difference.iter().any(|number| *number != 0.0), "the difference was trained");

    // Both step: the generator's table goes where it goes without a discriminator.
    let tables = [false, true].map(|muted| {
        let mut session = folder.session(&GDES);
        if muted {
            mute(&mut session, 1);
        }
        step(&mut session, 0);
        flat(&session.stepper.weights.get(TABLE[0]).unwrap().value())
    });
    assert_eq!(tables[0], tables[1]);
    assert_ne!(tables[0], before);
}

#[test]
fn one_table_is_trained_by_both_phases() {
    let folder = Folder::new();
    let session = folder.session(&["objective.sharing=es", "objective.alternating=true"]);
    assert!(session.stepper.weights.get(TABLE[1]).unwrap().is_tied());
    for phase in &session.stepper.phases {
        assert!(phase.weights.contains(&TABLE[0].to_owned()), "{}", phase.phase.name);
        let head = format!("objective.{}.", phase.phase.name);
        assert!(phase.weights.iter().any(|name| name.starts_with(&head)), "{} trains its head", phase.phase.name);
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = Folder::new();
    let refused = |changes: &[&str], words: &str| {
        let error = folder.open(changes).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains("help:"), "{error}");
    };
    refused(&["objective.alternating=true", "run.accumulation=2"], "trains in phases");
    refused(&["model.generator.width=32"], "the word embeddings of the generator are [260, 32]");
    refused(&["objective.generator=uniform", "objective.alternating=true"], "`alternating`");
    refused(&["objective.generator=tied", "objective.sharing=es"], "`sharing`");
    assert!(folder.open(&["model.generator.width=32", "objective.sharing=none"]).is_ok());
}

#[test]
fn stopped_and_resumed_in_phases_the_bytes_are_the_same() {
    let folder = Folder::new();
    let changes = [&GDES[..], &["objective.head=cls", "run.data_threads=2"]].concat();
    folder.train("whole", &changes, false, None);
    folder.train("stopped", &changes, false, Some(3));
    folder.train("stopped", &changes, true, None);
    for file in ["checkpoints/last/model.safetensors", "checkpoints/last/optimizer.safetensors", "metrics.jsonl"] {
        let [one, other] = ["whole", "stopped"].map(|run| std::fs::read(folder.path(run).join(file)).unwrap());
        assert!(!one.is_empty() && one == other, "{file}");
    }
    let state = records_of(&folder.path("whole"));
    for phase in ["generator", "discriminator"] {
        let prefix = format!("phase/{phase}/adamw/steps/{phase}.");
        assert!(state.iter().any(|name| name.starts_with(&prefix)), "{prefix}");
    }
    let metrics = std::fs::read_to_string(folder.path("whole/metrics.jsonl")).unwrap();
    for name in ["loss/generator", "loss/discriminator", "gradient_norm/generator", "generator_accuracy"] {
        assert!(metrics.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// Whoever takes the discriminator out of a run gets the embeddings that it saw.
#[test]
fn a_run_gives_its_discriminator_whole() {
    let folder = Folder::new();
    for sharing in ["es", "gdes"] {
        let run = folder.path(sharing);
        folder.train(sharing, &[&format!("objective.sharing={sharing}")], false, None);
        let trained = folder.of_run(&run);
        let wanted = flat(&trained.stepper.weights.get(TABLE[1]).unwrap().materialise().unwrap());
        let from = format!("model.discriminator.weights={:?}", run.display().to_string());
        let taken = folder.session(&[&from, "objective.generator=tied", "run.seed=9"]);
        assert_eq!(flat(&taken.stepper.weights.get(TABLE[1]).unwrap().value()), wanted, "{sharing}");
        // Into a run that shares again.
        let again = folder.session(&[&from, "objective.sharing=gdes", "run.seed=9"]);
        let seen = flat(&again.stepper.weights.get(TABLE[1]).unwrap().materialise().unwrap());
        assert!(seen.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{sharing}");
        let tied = folder.session(&[&from, "objective.sharing=es", "run.seed=9"]);
        assert_eq!(flat(&tied.stepper.weights.get(TABLE[0]).unwrap().value()), wanted, "{sharing}");
    }
}

#[test]
fn a_step_draws_the_same_again_and_another_step_anew() {
    let folder = Folder::new();
    let session = folder.session(&[]);
    let batch = &batches(&session, 1)[0];
    let once = |step| losses_under(&session, batch, &call(&session, step));
    assert_eq!(once(3), once(3));
    assert_ne!(once(3)["discriminator"], once(4)["discriminator"], "another step draws anew");
}
