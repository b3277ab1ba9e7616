//! Samples into rows, rows into batches.
//!
//! With packing, a row takes several whole samples: first fit (Johnson 1973) over the [`OPEN_ROWS`] rows opened last, so
//! the work stays linear and neighbours in the order stay near each other. A sample is never cut: the model sees each
//! one in its own block, with positions that restart.

use crate::Error;

/// The numbers of the samples that share a row.
pub type Row = Vec<usize>;

/// Rows that packing keeps open at a time. Part of the result: another number gives other batches.
pub const OPEN_ROWS: usize = 64;

/// Size and filling of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Rows in a batch, all micro-batches and machines together; at least 1.
    pub rows: usize,
    /// Longest row, in tokens (frames, patches); at least 1. No sample may be longer.
    pub length: usize,
    /// Whether a row may hold several samples.
    pub packing: bool,
    /// Whether samples of about one length share a batch, in the batches of training; not with packing, which fills rows.
    pub by_length: bool,
}

/// The batches of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Sample numbers, row after row.
    samples: Vec<usize>,
    /// Where each row starts in `samples`, and its end.
    starts: Vec<usize>,
    rows: usize,
    batches: usize,
}

impl Plan {
    /// Plans the batches for samples in `order`, whose lengths `length_of` tells.
    ///
    /// With `drop_last` the rows at the end that do not fill a batch are left out (training); without, they form a
    /// smaller last batch (evaluation). The plan may then hold no batch at all; [`Plan::len`] tells.
    ///
    /// # Errors
    /// A size of 0 in `settings`, or a sample longer than a row.
    pub fn new(
        order: &[usize],
        length_of: impl Fn(usize) -> usize,
        settings: BatchSettings,
        drop_last: bool,
    ) -> Result<Self, Error> {
        let BatchSettings { rows, length: limit, packing, .. } = settings;
        for (setting, value) in [("rows", rows), ("length", limit)] {
            if value == 0 {
                return Err(Error::Zero { setting });
            }
        }
        let (samples, starts) = if packing {
            pack(order, length_of, limit)?
        } else {
            for &sample in order {
                fitting(sample, length_of(sample), limit)?;
            }
            (order.to_vec(), (0..=order.len()).collect())
        };
        let filled = starts.len() - 1;
        let batches = if drop_last { filled / rows } else { filled.div_ceil(rows) };
        Ok(Self { samples, starts, rows, batches })
    }

    /// Number of batches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// Number of rows that the samples fill, those of no batch included.
    #[must_use]
    pub fn filled_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of batch `index` in `0..len()`; none beyond.
    #[must_use]
    pub fn batch(&self, index: usize) -> Vec<Row> {
        if index >= self.batches {
            return Vec::new();
        }
        let first = index * self.rows;
        let last = (first + self.rows).min(self.filled_rows());
        (first..last).map(|row| self.samples[self.starts[row]..self.starts[row + 1]].to_vec()).collect()
    }
}

fn fitting(sample: usize, length: usize, limit: usize) -> Result<(), Error> {
    if length > limit { Err(Error::TooLong { sample, length, limit }) } else { Ok(()) }
}

/// A row that still has room.
struct Open {
    room: usize,
    samples: Row,
}

/// First fit over a window of open rows. A row leaves when it is full or, being the oldest, when the window is.
fn pack(order: &[usize], length_of: impl Fn(usize) -> usize, limit: usize) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let mut samples = Vec::with_capacity(order.len());
    let mut starts = vec![0];
    let mut close = |row: Open| {
        samples.extend(row.samples);
        starts.push(samples.len());
    };
    let mut open: std::collections::VecDeque<Open> = std::collections::VecDeque::with_capacity(OPEN_ROWS + 1);
    for &sample in order {
        let length = length_of(sample);
        fitting(sample, length, limit)?;
        let place = open.iter().position(|row| row.room >= length).unwrap_or_else(|| {
            open.push_back(Open { room: limit, samples: Row::new() });
            open.len() - 1
        });
        open[place].room -= length;
        open[place].samples.push(sample);
        if open[place].room == 0 {
            open.remove(place).into_iter().for_each(&mut close);
        } else if open.len() > OPEN_ROWS {
            open.pop_front().into_iter().for_each(&mut close);
        }
    }
    open.into_iter().for_each(close);
    Ok((samples, starts))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LENGTHS: [usize; 6] = [5, 4, 3, 6, 2, 1];

    fn plan(rows: usize, packing: bool, drop_last: bool) -> Plan {
        let settings = BatchSettings { rows, length: 8, packing, by_length: false };
        Plan::new(&[0, 1, 2, 3, 4, 5], |sample| LENGTHS[sample], settings, drop_last).unwrap()
    }

    #[test]
    fn first_fit_fills_the_earliest_row_with_room() {
        // 5+3 is full and leaves first; 4+2+1 and 6 follow in the order they were opened.
        let plan = plan(8, true, false);
        assert_eq!(plan.len(), 1);
        assert_eq!(plan.batch(0), vec![vec![0, 2], vec![1, 4, 5], vec![3]]);
    }

    #[test]
    fn without_packing_each_row_holds_one_sample() {
        let plan = plan(4, false, false);
        assert_eq!(plan.batch(0), vec![vec![0], vec![1], vec![2], vec![3]]);
        assert_eq!(plan.batch(1), vec![vec![4], vec![5]]);
        assert!(plan.batch(2).is_empty());
    }

    #[test]
    fn drop_last_leaves_the_unfilled_batch_out() {
        assert_eq!(plan(4, false, true).len(), 1);
        assert_eq!(plan(7, false, true).len(), 0);
    }

    #[test]
    fn a_sample_longer_than_a_row_is_an_error() {
        let settings = BatchSettings { rows: 1, length: 4, packing: true, by_length: false };
        let error = Plan::new(&[1], |_| 5, settings, true).unwrap_err();
        assert_eq!(error, Error::TooLong { sample: 1, length: 5, limit: 4 });
        assert!(error.to_string().contains("row"));
        let settings = BatchSettings { rows: 0, ..settings };
        assert_eq!(Plan::new(&[], |_| 5, settings, true), Err(Error::Zero { setting: "rows" }));
    }
}
