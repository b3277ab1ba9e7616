//! A batch depends on (seed, step) alone.

use super::support::*;

const STEPS: u64 = 60;

#[test]
fn any_number_of_data_threads_makes_the_same_batches() {
    for objective in ["mlm", "clm"] {
        let mut session = session(objective, &["data.text.packing=true"]);
        let mut made = Vec::new();
        for threads in [0, 1, 2, 4] {
            session.experiment.run.data_threads = threads;
            made.push(training(&session, 0, STEPS).into_iter().map(step_columns).collect::<Vec<_>>());
        }
        assert_eq!(made[0].len() as u64, STEPS);
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "{objective}");
    }
}

#[test]
fn a_step_has_its_batch_wherever_the_run_begins() {
    let session = session("mlm", &["data.text.packing=true"]);
    let whole: Vec<_> =
        training(&session, 0, STEPS).into_iter().map(|batch| (batch.step, batch.epoch, step_columns(batch))).collect();
    assert!(whole.last().expect("steps").1 > 1, "the steps go over several epochs");
    for first in [1, 7, STEPS - 1] {
        let later: Vec<_> = training(&session, first, STEPS)
            .into_iter()
            .map(|batch| (batch.step, batch.epoch, step_columns(batch)))
            .collect();
        assert_eq!(later, whole[first as usize..]);
    }
}

#[test]
fn a_sample_comes_once_in_an_epoch() {
    let session = session("mlm", &["run.batch_rows=4"]);
    let mut seen = std::collections::BTreeMap::<u64, Vec<u64>>::new();
    for batch in training(&session, 0, 200) {
        seen.entry(batch.epoch).or_default().extend(batch.micro.iter().flat_map(|micro| micro.samples.clone()));
    }
    assert!(seen.len() > 2);
    for (epoch, samples) in &seen {
        let distinct: std::collections::BTreeSet<_> = samples.iter().collect();
        assert_eq!(distinct.len(), samples.len(), "epoch {epoch}");
    }
    assert_ne!(seen[&0], seen[&1], "each epoch has an order of its own");
}

#[test]
fn the_seed_decides_every_byte() {
    let trained = |changes: &[&str]| {
        let mut session = session("mlm", &[&["model.encoder.dropout=0.1"], changes].concat());
        let losses = run(&mut session, 4);
        (losses, weights(&session), session.stepper.optimizer.state().expect("a state"))
    };
    let first = trained(&["run.data_threads=1"]);
    assert_eq!(first, trained(&["run.data_threads=4"]));
    let other = trained(&["run.seed=4"]);
    assert_ne!(first.0, other.0);
    let moved = first.1.iter().filter(|(name, saved)| other.1[*name].bytes != saved.bytes).count();
    assert_eq!(moved, first.1.len(), "another seed gives other weights throughout");
}
