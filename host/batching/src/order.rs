//! The order of an epoch: a permutation keyed by (seed, epoch).

use philox::Key;

/// The numbers `0..count` in the order of `epoch`: random when `shuffle`, else ascending.
///
/// The key is `Key::root(seed).stream("order").at(epoch)`, so each epoch has an order of its own and no order depends on
/// an earlier one.
#[must_use]
pub fn order(seed: u64, epoch: u64, count: usize, shuffle: bool) -> Vec<usize> {
    if shuffle { Key::root(seed).stream("order").at(epoch).permutation(count) } else { (0..count).collect() }
}

/// Batches among whose samples those of about one length are looked for: few enough that an epoch stays random.
const WINDOW: usize = 32;

/// The samples of `order` such that each run of `rows` has samples of about one length: sorted within windows of
/// [`WINDOW`] batches, and the batches of the whole in an order of their own, keyed by (seed, epoch). What fills no batch stays at
/// the end, whatever its length, so that none is left out more often than others.
pub(crate) fn by_length(
    seed: u64,
    epoch: u64,
    mut order: Vec<usize>,
    length_of: impl Fn(usize) -> usize,
    rows: usize,
) -> Vec<usize> {
    let rows = rows.max(1);
    let rest = order.split_off(order.len() / rows * rows);
    for window in order.chunks_mut(WINDOW * rows) {
        window.sort_by_cached_key(|sample| length_of(*sample));
    }
    let batches = Key::root(seed).stream("batches").at(epoch).permutation(order.len() / rows);
    batches.into_iter().flat_map(|batch| &order[batch * rows..(batch + 1) * rows]).copied().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_and_epoch_has_its_own_permutation() {
        let first = order(1, 0, 500, true);
        assert_eq!(first, order(1, 0, 500, true));
        assert_ne!(first, order(1, 1, 500, true));
        assert_ne!(first, order(2, 0, 500, true));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, order(1, 0, 500, false));
    }

    #[test]
    fn batches_of_one_length_hold_each_sample_once_and_little_padding() {
        let length_of = |sample: usize| 1 + sample * 37 % 101;
        let padding = |order: &[usize]| -> usize {
            let of = |batch: &[usize]| {
                let longest = batch.iter().map(|sample| length_of(*sample)).max().unwrap_or(0);
                batch.iter().map(|sample| longest - length_of(*sample)).sum::<usize>()
            };
            order.chunks(8).map(of).sum()
        };
        let shuffled = order(1, 0, 500, true);
        let near = by_length(1, 0, shuffled.clone(), length_of, 8);
        assert!(padding(&near) * 10 < padding(&shuffled), "{} of {}", padding(&near), padding(&shuffled));
        // The four that fill no batch are the last of the shuffled ones.
        assert_eq!(near[496..], shuffled[496..]);
        assert_ne!(near, by_length(1, 1, order(1, 1, 500, true), length_of, 8));
        let first: Vec<usize> = near.chunks(8).map(|batch| length_of(batch[0])).take(20).collect();
        assert!(!first.is_sorted(), "batches come in a random order: {first:?}");
        let mut sorted = near;
        sorted.sort_unstable();
        assert_eq!(sorted, order(1, 0, 500, false));
    }
}
