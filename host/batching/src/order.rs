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
}
