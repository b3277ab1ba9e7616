//! The loss on held-out data: the same masks for every run, and a baseline that can be checked by hand.

use super::support::*;

#[test]
fn the_held_out_loss_depends_on_the_weights_alone() {
    let mut first = session("mlm", &["data.text.packing=true", "run.batch_rows=4"]);
    let before = first.held_out(None).expect("a measure").expect("held-out data");
    run(&mut first, 3);
    let trained = first.held_out(None).expect("a measure").expect("held-out data");
    assert_ne!(before.loss, trained.loss);
    let changes = ["run.seed=77", "data.text.packing=true", "run.batch_rows=4", "model.encoder.dropout=0.3"];
    let other = session("mlm", &changes);
    other.stepper.weights.load_state(&weights(&first), true).expect("the same model");
    assert_eq!(other.held_out(None).expect("a measure").expect("held-out data"), trained);
    // Other batches: the same up to rounding.
    for changes in [&["run.batch_rows=3"][..], &["run.batch_rows=64", "run.data_threads=4"]] {
        let other = session("mlm", changes);
        other.stepper.weights.load_state(&weights(&first), true).expect("the same model");
        let measured = other.held_out(None).expect("a measure").expect("held-out data");
        assert!(close(measured.loss, trained.loss, 1e-6), "{} {}", measured.loss, trained.loss);
        assert!(close(measured.unigram.expect("targets"), trained.unigram.expect("targets"), 1e-12));
        assert!(measured.batches != trained.batches);
    }
}

#[test]
fn measuring_changes_nothing() {
    let mut plain = session("mlm", &["model.encoder.dropout=0.1"]);
    let mut measured = session("mlm", &["model.encoder.dropout=0.1"]);
    for batch in 0..3 {
        for session in [&mut plain, &mut measured] {
            let batch = training(session, batch, batch + 1).remove(0);
            step(session, batch, 0.01);
        }
        measured.held_out(Some(2)).expect("a measure");
    }
    assert_eq!(weights(&plain), weights(&measured));
}

/// Training text `aab`: a counts 3, b 2, the 254 other bytes 1 each.
#[test]
fn the_unigram_loss_of_masked_tokens_is_that_by_hand() {
    let folder = Folder::new();
    let changes = ["run.batch_rows=1", "objective.mask_rate=0.9", "data.text.documents=\"line\""];
    let session = open(experiment_with_text(&folder, "mlm", "aab\n", "aaaaaaaa\n", &changes)).expect("a session");
    let measured = session.held_out(None).expect("a measure").expect("held-out data");
    let expected = (259.0_f64 / 3.0).ln();
    assert!(close(measured.unigram.expect("targets"), expected, 1e-12), "{measured:?} {expected}");
}

/// As above, and one sample that ends; of the targets `a`, `b` and the end, each comes once.
#[test]
fn the_unigram_loss_of_next_tokens_is_that_by_hand() {
    let folder = Folder::new();
    let changes = ["run.batch_rows=1", "data.text.documents=\"line\""];
    let session = open(experiment_with_text(&folder, "clm", "aab\n", "ab\n", &changes)).expect("a session");
    let targets = training(&session, 0, 1).remove(0);
    let targets = step_columns(targets).remove(0).rows("targets");
    let end = session.text().expect("text").vocabulary().end.map(|end| end as usize);
    assert_eq!(targets.last().copied(), end, "the end of a sample is predicted");
    let measured = session.held_out(None).expect("a measure").expect("held-out data");
    let total = 260.0_f64;
    let expected = ((total / 3.0).ln() + (total / 2.0).ln() + total.ln()) / 3.0;
    assert!(close(measured.unigram.expect("targets"), expected, 1e-12), "{measured:?} {expected}");
}
