//! Properties of plans for any lengths, settings, seeds and steps.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use batching::{BatchSettings, Batches, Error, Plan, Prefetch, micro_batches, order};
use proptest::prelude::*;

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..=40, 1..400)
}

proptest! {
    #[test]
    fn every_sample_appears_once_in_an_epoch_and_no_row_is_too_long(
        lengths in lengths(), rows in 1_usize..9, packing: bool, shuffle: bool, seed: u64, epoch in 0_u64..5,
    ) {
        let settings = BatchSettings { rows, length: 40, packing, by_length: false };
        let plan = Plan::new(&order(seed, epoch, lengths.len(), shuffle), |sample| lengths[sample], settings, false).unwrap();
        let mut seen = Vec::new();
        for index in 0..plan.len() {
            let batch = plan.batch(index);
            prop_assert!(!batch.is_empty() && batch.len() <= rows);
            prop_assert!(index + 1 == plan.len() || batch.len() == rows);
            for row in batch {
                prop_assert!(!row.is_empty() && (packing || row.len() == 1));
                prop_assert!(row.iter().map(|sample| lengths[*sample]).sum::<usize>() <= 40);
                seen.extend(row);
            }
        }
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..lengths.len()));
    }

    #[test]
    fn dropping_the_last_rows_leaves_the_full_batches_as_they_are(lengths in lengths(), rows in 1_usize..9, packing: bool) {
        let settings = BatchSettings { rows, length: 40, packing, by_length: false };
        let order = order(7, 0, lengths.len(), true);
        let kept = Plan::new(&order, |sample| lengths[sample], settings, false).unwrap();
        let dropped = Plan::new(&order, |sample| lengths[sample], settings, true).unwrap();
        prop_assert_eq!(dropped.len(), kept.filled_rows() / rows);
        for index in 0..dropped.len() {
            prop_assert_eq!(dropped.batch(index), kept.batch(index));
            prop_assert_eq!(dropped.batch(index).len(), rows);
        }
    }

    #[test]
    fn resuming_at_a_step_gives_the_batches_of_running_from_the_start(
        lengths in prop::collection::vec(1_usize..=40, 40..200), rows in 1_usize..5, packing: bool, seed: u64, at in 0_u64..150,
    ) {
        let settings = BatchSettings { rows, length: 40, packing, by_length: false };
        let make = || {
            let lengths = lengths.clone();
            Batches::new(seed, lengths.len(), move |sample| lengths[sample], settings, true)
        };
        // Every sample 1 long may all fit into one row.
        let from_start = match make() {
            Err(Error::NoBatch { .. }) => return Ok(()),
            batches => batches.unwrap(),
        };
        let all: Vec<_> = (0..at + 20).map(|step| from_start.batch_of_step(step).unwrap()).collect();
        let resumed = make().unwrap();
        for step in at..at + 20 {
            prop_assert_eq!(&resumed.batch_of_step(step).unwrap(), &all[step as usize]);
        }
        // Asking backwards changes nothing either.
        prop_assert_eq!(&resumed.batch_of_step(0).unwrap(), &all[0]);
        prop_assert!(all.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn micro_batches_hold_every_row_once_in_order(count in 0_usize..40, micro in 0_usize..50) {
        let rows: Vec<_> = (0..count).map(|sample| vec![sample]).collect();
        let parts = micro_batches(&rows, micro);
        prop_assert_eq!(parts.concat(), rows.clone());
        prop_assert_eq!(parts.len(), micro.max(1).min(count));
        let sizes: Vec<_> = parts.iter().map(|part| part.len()).collect();
        prop_assert!(sizes.iter().max().unwrap_or(&0) - sizes.iter().min().unwrap_or(&0) <= 1);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_batches() {
    let collect = |threads| {
        let settings = BatchSettings { rows: 3, length: 50, packing: true, by_length: false };
        let batches = Batches::new(11, 333, |sample| 1 + sample * 7 % 50, settings, true).unwrap();
        let batches = Arc::new(batches);
        Prefetch::new(5, 300, threads, 6, move |step| batches.batch_of_step(step))
            .collect::<Result<Vec<_>, _>>()
            .unwrap()
    };
    let inline = collect(0);
    assert!(inline.last().unwrap().0 > 0, "several epochs");
    for threads in [1, 2, 4] {
        assert_eq!(collect(threads), inline);
    }
}

#[test]
fn packing_fills_rows_well() {
    let lengths: Vec<usize> = (0..5000).map(|sample| 5 + philox::Key::root(4).below(sample, 120) as usize).collect();
    let settings = BatchSettings { rows: 1, length: 128, packing: true, by_length: false };
    let plan = Plan::new(&order(0, 0, lengths.len(), true), |sample| lengths[sample], settings, false).unwrap();
    let filling = lengths.iter().sum::<usize>() as f64 / (plan.len() * 128) as f64;
    assert!(filling > 0.93, "{filling}");
}

#[test]
fn too_little_data_for_one_batch_is_an_error() {
    let settings = BatchSettings { rows: 8, length: 10, packing: false, by_length: false };
    let error = Batches::new(0, 5, |_| 3, settings, true).err().unwrap();
    assert_eq!(error, Error::NoBatch { epoch: 0, samples: 5, filled: 5, rows: 8 });
    assert_eq!(Batches::new(0, 0, |_| 3, settings, true).err().unwrap(), Error::NoSamples);
}
