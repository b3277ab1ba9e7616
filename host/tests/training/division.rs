//! A batch divided into parts, or made by several threads, is the same batch.

use super::support::*;

fn divided_is_whole(objective: &str, changes: &[&str]) {
    let mut found = Vec::new();
    for accumulation in [1, 2, 3, 4] {
        let accumulation = format!("run.accumulation={accumulation}");
        let mut changes = changes.to_vec();
        // 7 rows make parts of different sizes.
        changes.extend(["run.batch_rows=7", &accumulation]);
        let mut session = session(objective, &changes);
        let batch = training(&session, 2, 3).remove(0);
        found.push((batch.micro.len(), batch.tokens(), take(&mut session, batch)));
    }
    let (parts, tokens, whole) = &found[0];
    assert_eq!(*parts, 1);
    for (index, (parts, divided_tokens, divided)) in found.iter().enumerate().skip(1) {
        assert_eq!((*parts, divided_tokens), (index + 1, tokens));
        assert!(close(whole.loss, divided.loss, 1e-6), "{} whole, {} in {parts} parts", whole.loss, divided.loss);
        assert_same_gradients(whole, divided, 2e-6);
    }
}

#[test]
fn a_divided_batch_has_the_loss_and_gradient_of_the_whole() {
    divided_is_whole("mlm", &["objective.mask_rate=0.3"]);
    divided_is_whole("clm", &[]);
}

#[test]
fn a_divided_batch_drops_out_what_the_whole_drops_out() {
    divided_is_whole(
        "mlm",
        &["model.encoder.dropout=0.2", "model.encoder.attention_dropout=0.2", "data.text.packing=true"],
    );
}

#[test]
fn two_loss_parts_are_not_divided_in_silence() {
    let mut session = session("clm", &["objective.z_loss=0.1", "run.accumulation=2"]);
    let batch = training(&session, 0, 1).remove(0);
    let (mut guards, mut meters) = (lacuna::train::Guards::new("clm", 0, 0), lacuna::train::Meters::default());
    let error = session.stepper.step(batch, 0.1, &mut guards, &mut meters).expect_err("two parts");
    assert_eq!(error.code, "config/accumulation");
}

#[test]
fn a_part_without_labels_counts_nothing() {
    // Rows of 8 bytes at this rate: most parts of one row have no label.
    let changes = ["data.text.length=8", "run.batch_rows=6", "objective.mask_rate=0.05", "run.accumulation=1"];
    let mut whole = session("mlm", &changes);
    let mut divided = session("mlm", &[&changes[..3], &["run.accumulation=6"]].concat());
    let empty = |batch| step_columns(batch).iter().filter(|columns| columns.rows("chosen").is_empty()).count();
    let step = (0..50).find(|step| (1..=4).contains(&empty(training(&divided, *step, step + 1).remove(0))));
    let step = step.expect("a step in which some parts have labels and some not");
    let a = {
        let batch = training(&whole, step, step + 1).remove(0);
        take(&mut whole, batch)
    };
    let b = {
        let batch = training(&divided, step, step + 1).remove(0);
        take(&mut divided, batch)
    };
    assert!(close(a.loss, b.loss, 1e-6));
    assert_same_gradients(&a, &b, 2e-6);
}
