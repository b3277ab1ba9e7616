//! Samples that share a row learn as if each had its own.

use std::collections::BTreeMap;

use compute::{Device, Tensor};

use super::support::*;

/// −ln p of each target at the rows that predict, by sample and position.
fn token_losses(session: &lacuna::train::Session, packing: bool) -> BTreeMap<(u64, usize), f64> {
    let batch = objects(everything(session, packing)).remove(0);
    let columns = columns(&batch);
    let column = if columns.numbers.contains_key("chosen") { "chosen" } else { "predicting" };
    let rows = columns.rows(column);
    let ids: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    let rows_c = Tensor::from_slice(&ids, &[ids.len()], &Device::Cpu).expect("rows");
    let logits_cv = session.stepper.objective.predict(&evaluation(session), &batch, &rows_c).expect("logits");
    let width = logits_cv.dims()[1];
    let logits = numbers(&logits_cv);
    let targets = columns.rows("targets");
    let losses = rows.iter().zip(&targets).enumerate().map(|(index, (row, target))| {
        let row_v = &logits[index * width..(index + 1) * width];
        let most = row_v.iter().copied().fold(f64::MIN, f64::max);
        let total: f64 = row_v.iter().map(|logit| (logit - most).exp()).sum();
        (columns.place(*row), most + total.ln() - row_v[*target])
    });
    losses.collect()
}

fn packed_is_unpacked(objective: &str, changes: &[&str]) {
    let mut session = session(objective, changes);
    let (apart, packed) = (everything(&session, false), everything(&session, true));
    assert_eq!(apart.tokens(), packed.tokens());
    let sequences = step_columns(everything(&session, true)).remove(0).sequences;
    assert!(sequences.last().expect("rows") + 1 < sequences.len(), "several samples share a row");

    let (apart, packed) = (take(&mut session, apart), take(&mut session, packed));
    assert!(close(apart.loss, packed.loss, 1e-5), "{} apart, {} packed", apart.loss, packed.loss);
    assert_same_gradients(&apart, &packed, 1e-5);

    let (apart, packed) = (token_losses(&session, false), token_losses(&session, true));
    assert!(apart.len() > 500);
    assert_eq!(apart.keys().collect::<Vec<_>>(), packed.keys().collect::<Vec<_>>());
    for (place, loss) in apart {
        assert!((loss - packed[&place]).abs() <= 1e-5 * loss.max(1.0), "{place:?}: {loss} {}", packed[&place]);
    }
}

#[test]
fn masked_language_modelling_is_the_same_packed_and_apart() {
    packed_is_unpacked("mlm", &["objective.mask_rate=0.3"]);
}

#[test]
fn causal_language_modelling_is_the_same_packed_and_apart() {
    packed_is_unpacked("clm", &[]);
}

#[test]
fn every_kind_of_position_restarts_in_each_sample() {
    for positions in ["learned", "sinusoidal", "alibi"] {
        packed_is_unpacked("mlm", &["objective.mask_rate=0.3", &format!("model.encoder.positions=\"{positions}\"")]);
    }
}

#[test]
fn dropout_falls_on_the_same_tokens_packed_and_apart() {
    let rate = "objective.mask_rate=0.3";
    let drops = [rate, "model.encoder.dropout=0.2", "model.encoder.attention_dropout=0.2"];
    packed_is_unpacked("mlm", &drops);
    let losses = [&drops[..1], &drops[..2], &[rate, drops[2]]].map(|changes| {
        let mut session = session("mlm", changes);
        let batch = everything(&session, true);
        take(&mut session, batch).loss
    });
    assert!(losses[0] != losses[1] && losses[0] != losses[2], "both kinds of dropout do something: {losses:?}");
}

#[test]
fn positions_count_from_zero_in_each_sample() {
    let session = session("mlm", &[]);
    let columns = step_columns(everything(&session, true)).remove(0);
    for bounds in columns.offsets.windows(2) {
        let positions: Vec<u32> = (0..(bounds[1] - bounds[0]) as u32).collect();
        assert_eq!(columns.positions[bounds[0]..bounds[1]], positions);
    }
}

#[test]
fn no_token_predicts_one_of_another_sample() {
    let session = session("clm", &[]);
    let columns = step_columns(everything(&session, true)).remove(0);
    let (tokens, predicting, targets) =
        (columns.rows("text.tokens"), columns.rows("predicting"), columns.rows("targets"));
    for (row, target) in predicting.iter().zip(targets) {
        assert_eq!(tokens[row + 1], target);
        assert_eq!(columns.segment(*row), columns.segment(row + 1), "row {row} predicts across samples");
    }
    // All rows but the last of each sample.
    assert_eq!(predicting.len(), tokens.len() - columns.samples.len());
    let lasts: Vec<usize> = columns.offsets[1..].iter().map(|end| end - 1).collect();
    assert!(predicting.iter().all(|row| !lasts.contains(row)));
}
