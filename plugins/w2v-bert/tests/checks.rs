//! What must hold exactly: ties, codes without gradient, modules apart, rows and padding.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::*;

/// Without anything to tell candidates apart the loss is ln(K + 1). Among 4,096 codes no distractor has the row's own.
#[test]
fn equal_similarities_lose_the_logarithm_of_the_candidates() {
    let session = session(&["objective.codes=4096"]);
    for name in ["objective.context.weight", "objective.context.bias"] {
        set(&session, name, |_| 0.0);
    }
    let found = losses(&session, &batches(&session, 1)[0], true);
    assert!((found["contrastive"] - 6.0_f64.ln()).abs() < 1e-5, "{found:?}");
}

/// With one code in use every distractor is the row's own and falls out, and unevenness is (V − 1)/V.
#[test]
fn distractors_of_the_same_code_count_for_nothing() {
    let session = session(&[]);
    set(&session, "objective.quantiser.logits.weight", |_| 0.0);
    set(&session, "objective.quantiser.logits.bias", |code| if code == 3 { 500.0 } else { 0.0 });
    let found = losses(&session, &batches(&session, 1)[0], true);
    assert_eq!(found["contrastive"], 0.0);
    assert!((found["diversity"] - 7.0 / 8.0).abs() < 1e-6, "{found:?}");
}

#[test]
fn even_use_has_no_unevenness() {
    let session = session(&["objective.codebooks=2"]);
    for name in ["objective.quantiser.logits.weight", "objective.quantiser.logits.bias"] {
        set(&session, name, |_| 0.0);
    }
    assert!(losses(&session, &batches(&session, 1)[0], true)["diversity"].abs() < 1e-6);
}

/// The prediction never reaches the quantiser (units get no gradient), the contrastive loss never the upper blocks.
#[test]
fn each_loss_trains_its_own() {
    for (quantiser, choice) in [("gumbel", "logits"), ("nearest", "projection")] {
        let session = session(&[&format!("objective.quantiser={quantiser}")]);
        let prediction = reached(&session, |part| part == "prediction");
        assert!(!prediction.iter().any(|name| name.starts_with("objective.quantiser.")), "{prediction:?}");
        assert!(prediction.iter().any(|name| name.starts_with("encoder.layers.1.")), "{prediction:?}");
        assert!(prediction.iter().any(|name| name.starts_with("encoder.layers.0.")), "{prediction:?}");
        let contrastive = reached(&session, |part| part == "contrastive");
        let upper = |name: &String| name.starts_with("encoder.layers.1.") || name.contains("prediction");
        assert!(!contrastive.iter().any(upper), "{contrastive:?}");
        assert!(contrastive.contains(&"objective.context.weight".to_owned()));
        assert!(contrastive.contains(&format!("objective.quantiser.{choice}.weight")), "{quantiser}: {contrastive:?}");
    }
}

/// γ = 0: the upper blocks have a gradient of zero, all of them.
#[test]
fn without_prediction_the_upper_blocks_learn_nothing() {
    for (weight, learns) in [("1.0", true), ("0.0", false)] {
        let session = session(&[&format!("objective.prediction_weight={weight}")]);
        let total = reached(&session, |_| true);
        let upper = total.iter().any(|name| name.starts_with("encoder.layers.1.") || name.contains("prediction"));
        assert_eq!(upper, learns, "{weight}");
        assert!(total.iter().any(|name| name.starts_with("encoder.layers.0.")));
    }
}

/// Rows are those of the sounds: what is masked lies in a sound, and its candidates are masked rows of that sound.
#[test]
fn padding_is_never_masked_and_never_a_distractor() {
    let session = session(&[]);
    let mut differ = false;
    for batch in batches(&session, 4) {
        let lengths = lengths(&batch);
        differ |= lengths.iter().any(|length| *length != lengths[0]);
        let (masked, candidates) = (column(&batch, "w2v-bert.masked"), column(&batch, "w2v-bert.candidates"));
        let hidden = column(&batch, "w2v-bert.hidden");
        assert_eq!(hidden.len(), lengths.iter().sum::<usize>());
        let sound = |row: f64| {
            let mut end = 0;
            let within = |length: &usize| {
                end += length;
                (row as usize) < end
            };
            lengths.iter().position(within).unwrap()
        };
        assert!(masked.iter().all(|row| hidden[*row as usize] == 1.0));
        assert_eq!(hidden.iter().sum::<f64>() as usize, masked.len());
        assert_eq!(candidates.len(), masked.len() * 6);
        for (place, candidates) in candidates.chunks(6).enumerate() {
            assert_eq!(candidates[0] as usize, place);
            let alone = masked.iter().filter(|row| sound(**row) == sound(masked[place])).count() == 1;
            for candidate in &candidates[1..] {
                assert_eq!(sound(masked[*candidate as usize]), sound(masked[place]));
                assert!(alone || *candidate as usize != place);
            }
        }
    }
    assert!(differ, "sounds of different lengths");
}

#[test]
fn steps_are_counted_for_the_temperature() {
    let mut session = session(&["objective.gumbel_decay=0.9"]);
    let updates = |session: &lacuna::train::Session| {
        flat(&session.stepper.weights.buffer("objective.quantiser.updates").unwrap().value())
    };
    assert_eq!(updates(&session), [0.0]);
    for number in 0..3 {
        step(&mut session, number);
    }
    assert_eq!(updates(&session), [3.0]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let refused = |change: &str, words: &str| {
        let error = open(&[change]).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains("help:"), "{error}");
    };
    refused("objective.contrastive_layers=2", "none is left to predict units");
    refused("objective.codebooks=3", "3 codebooks cannot share evenly");
}
