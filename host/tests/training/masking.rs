//! Contract M0: which tokens are predicted and what is shown in their place, through the loaded plugin.

use std::collections::BTreeMap;

use lacuna::train::Session;

use super::support::*;

/// By epoch and sample: tokens, what is shown, the chosen positions.
type Choices = BTreeMap<(u64, u64), (Vec<usize>, Vec<usize>, Vec<usize>)>;

fn choices(session: &Session, steps: u64) -> Choices {
    let mut choices = Choices::new();
    for batch in training(session, 0, steps) {
        let epoch = batch.epoch;
        for columns in step_columns(batch) {
            let (tokens, shown, targets) =
                (columns.rows("text.tokens"), columns.rows("text.shown"), columns.rows("targets"));
            let mut chosen = vec![Vec::new(); columns.samples.len()];
            for (row, target) in columns.rows("chosen").into_iter().zip(targets) {
                assert_eq!(tokens[row], target, "a label is the original token");
                let segment = columns.segment(row);
                chosen[segment].push(row - columns.offsets[segment]);
            }
            for (segment, chosen) in chosen.into_iter().enumerate() {
                let rows = columns.offsets[segment]..columns.offsets[segment + 1];
                let sample = (tokens[rows.clone()].to_vec(), shown[rows].to_vec(), chosen);
                choices.insert((epoch, columns.samples[segment]), sample);
            }
        }
    }
    choices
}

fn special(session: &Session, id: usize) -> bool {
    session.text().expect("text").vocabulary().is_special(id as u32)
}

#[test]
fn shares_are_those_of_the_settings() {
    let session = session("mlm", &["run.batch_rows=32"]);
    let mask = session.text().expect("text").vocabulary().mask.expect("a mask token") as usize;
    let (mut eligible, mut chosen, mut masked, mut random) = (0.0, 0.0, 0.0, 0.0);
    for (tokens, shown, picked) in choices(&session, 400).into_values() {
        for (position, (token, shown)) in tokens.iter().zip(&shown).enumerate() {
            eligible += f64::from(u8::from(!special(&session, *token)));
            if !picked.contains(&position) {
                assert_eq!(token, shown, "what is not chosen is shown as it is");
                continue;
            }
            assert!(!special(&session, *token), "a special token is never chosen");
            chosen += 1.0;
            if *shown == mask {
                masked += 1.0;
            } else if shown != token {
                assert!(!special(&session, *shown), "a random token is never special");
                random += 1.0;
            }
        }
    }
    assert!(chosen > 40_000.0, "{chosen} draws");
    // Five standard deviations of a share at so many draws.
    let near = |share: f64, expected: f64, draws: f64| {
        let deviation = (expected * (1.0 - expected) / draws).sqrt();
        assert!((share - expected).abs() < 5.0 * deviation, "{share} instead of {expected}");
    };
    near(chosen / eligible, 0.15, eligible);
    near(masked / chosen, 0.8, chosen);
    // One in 256 random tokens is the token itself.
    near(random / chosen, 0.1 * 255.0 / 256.0, chosen);
}

#[test]
fn masks_are_drawn_anew_in_each_epoch_and_belong_to_the_sample() {
    let session = session("mlm", &[]);
    let first = choices(&session, 40);
    let again = first.iter().filter_map(|((epoch, id), sample)| Some((sample, first.get(&(epoch + 1, *id))?)));
    let (mut same, mut other) = (0, 0);
    for ((tokens, _, chosen), (tokens_then, _, chosen_then)) in again {
        assert_eq!(tokens, tokens_then);
        if chosen == chosen_then { same += 1 } else { other += 1 }
    }
    // Short samples have few ways to be masked, and sometimes none.
    assert!(other > 50 && same * 4 < other, "{same} the same, {other} others");

    // The same draws whatever the company: other batches, packed, divided.
    let elsewhere = ["data.text.packing=true", "run.batch_rows=5", "run.accumulation=3", "run.data_threads=2"];
    let elsewhere = choices(&mlm(&elsewhere), 40);
    let shared: Vec<_> = elsewhere.iter().filter(|(key, _)| first.contains_key(key)).collect();
    assert!(shared.len() > 100);
    assert!(shared.iter().all(|(key, sample)| first[key] == **sample));
    let other_seed = choices(&mlm(&["run.seed=9"]), 40);
    assert!(other_seed.iter().any(|(key, sample)| first.get(key).is_some_and(|first| first != sample)));
}

fn mlm(changes: &[&str]) -> Session {
    session("mlm", changes)
}

#[test]
fn an_exact_share_is_exact_in_each_sample() {
    let session = session("mlm", &["objective.exact=true", "objective.mask_rate=0.2"]);
    let choices = choices(&session, 20);
    assert!(choices.len() > 50);
    for (tokens, _, chosen) in choices.values() {
        let eligible = tokens.iter().filter(|token| !special(&session, **token)).count();
        assert_eq!(chosen.len(), ((0.2 * eligible as f64).round() as usize).max(1));
    }
}

#[test]
fn words_and_spans_never_take_special_tokens() {
    for unit in ["word", "span"] {
        let session = session("mlm", &[&format!("objective.unit=\"{unit}\""), "objective.mask_rate=0.5"]);
        let choices = choices(&session, 20);
        let (mut chosen_tokens, mut eligible) = (0.0, 0.0);
        for (tokens, _, chosen) in choices.values() {
            assert!(chosen.iter().all(|position| !special(&session, tokens[*position])));
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "each position once");
            chosen_tokens += chosen.len() as f64;
            eligible += tokens.iter().filter(|token| !special(&session, **token)).count() as f64;
        }
        let share = chosen_tokens / eligible;
        assert!((share - 0.5).abs() < 0.05, "{unit}: {share}");
    }
}
