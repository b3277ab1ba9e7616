//! Batches with nothing to predict: exactly nothing, skipped, counted, and not for ever.

use std::collections::BTreeMap;

use compute::Device;
use compute::layout::Layout;
use lacuna::boundary::{Call, CallOptions, Collation, ColumnData, LossResult, Sample, batch_on_device};
use lacuna::train::{Guards, MOST_EMPTY_STEPS, Meters, Session};

use super::support::*;

/// The loss of samples given as (tokens, special).
fn loss(session: &Session, samples: &[(&[u32], bool)]) -> LossResult {
    let mut first_row = 0;
    let made = samples.iter().enumerate().map(|(number, (tokens, special))| {
        let truth = |value: bool| ColumnData::Bool(vec![u8::from(value); tokens.len()].into());
        let sample = Sample {
            id: number as u64,
            columns: BTreeMap::from([
                ("text.tokens".to_owned(), ColumnData::U32((*tokens).into())),
                ("text.special".to_owned(), truth(*special)),
                ("text.word_starts".to_owned(), truth(true)),
            ]),
            first_rows: BTreeMap::from([("text".to_owned(), first_row)]),
        };
        first_row += tokens.len();
        sample
    });
    let collation = Collation::new(made.collect(), 1, "mlm", 0);
    let objective = &session.stepper.objective;
    objective.collate(&Call::new(CallOptions::data(1)), &collation).expect("a collation");
    let tokens = collation.concatenated("text.tokens").expect("tokens");
    let mut columns = collation.into_added();
    columns.insert("text.tokens".to_owned(), tokens);
    let lengths: Vec<usize> = samples.iter().map(|(tokens, _)| tokens.len()).collect();
    let keys: Vec<u64> = (0..samples.len() as u64).collect();
    let layout = Layout::new(&lengths, &keys).expect("a layout");
    let batch = batch_on_device(columns, [("text.layout".to_owned(), layout)], &Device::Cpu).expect("a batch");
    objective.loss(&Call::new(training_call(session, 0)), &batch).unwrap_or_else(|error| panic!("{error}"))
}

fn sum_and_count(result: &LossResult) -> (f64, f64) {
    assert_eq!(result.parts.len(), 1);
    (result.parts[0].sum.item().expect("a sum"), result.parts[0].count.item().expect("a count"))
}

#[test]
fn without_an_eligible_token_the_loss_is_exactly_nothing() {
    for changes in [&[][..], &["objective.exact=true"], &["objective.unit=\"word\""], &["objective.unit=\"span\""]] {
        let session = session("mlm", changes);
        let none = loss(&session, &[(&[65, 66, 67, 68], true)]);
        assert_eq!(sum_and_count(&none), (0.0, 0.0), "{changes:?}");
        for metric in &none.metrics {
            assert_eq!((metric.sum.item().expect("a sum"), metric.count.item().expect("a count")), (0.0, 0.0));
        }
        assert!(none.targets.expect("targets").dims() == [0]);
    }
}

#[test]
fn a_sample_without_an_eligible_token_adds_nothing() {
    let session = session("mlm", &["objective.exact=true", "objective.mask_rate=0.5"]);
    let alone = sum_and_count(&loss(&session, &[(&[65, 66, 67, 68], false)]));
    let company = sum_and_count(&loss(&session, &[(&[65, 66, 67, 68], false), (&[70, 71], true)]));
    assert_eq!(alone.1, 2.0);
    assert_eq!(company.1, 2.0);
    assert!(close(alone.0, company.0, 1e-6));
}

#[test]
fn a_text_of_one_token_predicts_nothing() {
    let session = session("clm", &[]);
    assert_eq!(sum_and_count(&loss(&session, &[(&[65], false)])), (0.0, 0.0));
}

#[test]
fn steps_without_labels_change_nothing_and_are_counted() {
    let mut session = session("mlm", &["data.text.length=8", "run.batch_rows=1", "objective.mask_rate=0.15"]);
    let (mut guards, mut meters) = (Guards::new("mlm", 3, 0), Meters::default());
    let (mut skipped, steps) = (0, 40);
    for (batch, again) in training(&session, 0, steps).into_iter().zip(training(&session, 0, steps)) {
        let empty = step_columns(again).iter().all(|columns| columns.rows("chosen").is_empty());
        let before = (weights(&session), session.stepper.optimizer.state().expect("a state"));
        let report =
            session.stepper.step(batch, 0.01, &mut guards, &mut meters).unwrap_or_else(|error| panic!("{error}"));
        let after = (weights(&session), session.stepper.optimizer.state().expect("a state"));
        assert_eq!(report.stepped, !empty);
        assert_eq!(before == after, empty);
        skipped += u64::from(empty);
    }
    assert!(skipped > 5 && skipped < steps - 5, "{skipped} of {steps} steps have no label");
    assert_eq!(guards.skipped, skipped);
}

#[test]
fn ten_steps_without_labels_in_a_row_stop_the_run() {
    let mut session = session("mlm", &["data.text.length=4", "run.batch_rows=1", "objective.mask_rate=0.01"]);
    let (mut guards, mut meters) = (Guards::new("mlm", 3, 0), Meters::default());
    let mut in_a_row = 0;
    for (batch, again) in training(&session, 0, 400).into_iter().zip(training(&session, 0, 400)) {
        let empty = step_columns(again).iter().all(|columns| columns.rows("chosen").is_empty());
        in_a_row = if empty { in_a_row + 1 } else { 0 };
        let outcome = session.stepper.step(batch, 0.01, &mut guards, &mut meters);
        if in_a_row == MOST_EMPTY_STEPS {
            assert_eq!(outcome.expect_err("the tenth in a row").code, "train/no-labels");
            return;
        }
        assert!(outcome.is_ok());
    }
    panic!("never ten in a row");
}

#[test]
fn a_run_without_labels_names_its_reason() {
    let folder = Folder::new();
    let changes = ["data.text.length=4", "run.batch_rows=1", "objective.mask_rate=0.01"];
    let error = train(experiment("mlm", &changes), &folder.path("run")).err().expect("nothing to learn");
    assert_eq!(error.code, "train/no-labels");
    assert!(error.to_string().contains("`mlm`"), "{error}");
}
