//! Which checkpoints stay.

use crate::checkpoint::Entry;

/// Which checkpoints stay besides the newest and the best, which always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many of the newest to keep; 0 counts as 1.
    pub keep_last: usize,
    /// Keep every checkpoint whose step is a multiple of this, for ever.
    pub keep_every_steps: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_last: 2, keep_every_steps: None }
    }
}

impl Retention {
    /// The entries to remove after `written` has become the newest; `entries` is in order of steps.
    pub(crate) fn superfluous<'a>(&self, entries: &'a [Entry], written: u64) -> Vec<&'a Entry> {
        let best = best(entries).map(|entry| entry.step);
        let newest_from = entries.len().saturating_sub(self.keep_last.max(1));
        entries[..newest_from]
            .iter()
            .filter(|entry| entry.step != written && Some(entry.step) != best)
            .filter(|entry| !self.keep_every_steps.is_some_and(|every| every > 0 && entry.step.is_multiple_of(every)))
            .collect()
    }
}

/// The entry with the lowest loss; of equals the earliest. A loss that is no number is never the best.
pub(crate) fn best(entries: &[Entry]) -> Option<&Entry> {
    let losses = entries.iter().filter_map(|entry| Some((entry, entry.loss.filter(|loss| !loss.is_nan())?)));
    losses.reduce(|best, next| if next.1 < best.1 { next } else { best }).map(|(entry, _)| entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(losses: &[Option<f64>]) -> Vec<Entry> {
        losses
            .iter()
            .zip(1..)
            .map(|(loss, number)| Entry { step: number * 100, path: Default::default(), loss: *loss })
            .collect()
    }

    fn removed(retention: Retention, entries: &[Entry], written: u64) -> Vec<u64> {
        retention.superfluous(entries, written).iter().map(|entry| entry.step).collect()
    }

    #[test]
    fn the_newest_the_best_and_every_nth_stay() {
        let all = entries(&[Some(3.0), Some(1.0), Some(f64::NAN), None, Some(1.0), Some(2.0)]);
        assert_eq!(best(&all).map(|entry| entry.step), Some(200));
        let two = Retention { keep_last: 2, keep_every_steps: None };
        assert_eq!(removed(two, &all, 600), [100, 300, 400]);
        let every = Retention { keep_last: 0, keep_every_steps: Some(300) };
        assert_eq!(removed(every, &all, 600), [100, 400, 500]);
        assert_eq!(removed(Retention { keep_last: 9, keep_every_steps: Some(0) }, &all, 600), [0u64; 0]);
    }

    #[test]
    fn what_was_just_written_stays_even_when_later_ones_lie_about() {
        let all = entries(&[None, None, None]);
        assert_eq!(removed(Retention { keep_last: 1, keep_every_steps: None }, &all, 100), [200]);
    }
}
