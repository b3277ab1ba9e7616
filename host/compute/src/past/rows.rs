//! Rows of sequences that grow: any tensor, any device.

use crate::layout::Layout;
use crate::{Error, Result, Tensor, Value};

/// Rows of b sequences `[b, capacity, ..]`, of which the first so many count.
///
/// Appending writes in place and doubles the room where it is used up.
#[derive(Clone)]
pub struct PastRows {
    rows: Value,
}

impl PastRows {
    /// Room for `capacity` rows like `rows` `[n, ..]` of each of `count` sequences.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(count: usize, capacity: usize, rows: &Tensor) -> Result<Self> {
        let mut shape = vec![count, capacity.max(1)];
        shape.extend_from_slice(rows.dims().get(1..).unwrap_or_default());
        Ok(Self { rows: Value::zeros(shape, rows.value().dtype(), rows.device())? })
    }

    /// Writes `rows` `[n, ..]` of `layout` behind the first `lengths` rows of each sequence.
    ///
    /// # Errors
    /// When the rows are not those of the layout, or of another kind than before.
    pub fn append(&mut self, rows: &Tensor, layout: &Layout, lengths: &[usize]) -> Result<()> {
        fits("append", rows, layout, lengths)?;
        if rows.dims()[1..] != self.rows.dims()[2..] || rows.value().dtype() != self.rows.dtype() {
            let fact = format!("{} {:?} follow rows of {:?}", rows.dtype(), rows.dims(), &self.rows.dims()[2..]);
            return Err(Error::shape("append", fact).with_help("a name keeps the shape and dtype of its first rows"));
        }
        let needed = lengths.iter().zip(layout.lengths()).map(|(past, new)| past + new).max().unwrap_or(0);
        let capacity = self.rows.dims()[1];
        if needed > capacity {
            let mut shape = self.rows.dims().to_vec();
            shape[1] = needed.max(2 * capacity);
            let wider = Value::zeros(shape, self.rows.dtype(), self.rows.device())?;
            wider.slice_set(&self.rows, 1, 0)?;
            self.rows = wider;
        }
        for (sequence, past) in lengths.iter().enumerate() {
            let (start, count) = (layout.offsets()[sequence], layout.length(sequence));
            if count > 0 {
                // A copy: what is written must not share memory with what is read.
                let new = rows.value().narrow(0, start, count)?.force_contiguous()?.unsqueeze(0)?;
                self.rows.narrow(0, sequence, 1)?.slice_set(&new, 1, *past)?;
            }
        }
        Ok(())
    }

    /// The first `lengths` rows of each sequence `[m, ..]`, one sequence after the other. Of a single sequence they are not
    /// copied.
    ///
    /// # Errors
    /// When there are fewer rows.
    pub fn read(&self, lengths: &[usize]) -> Result<Tensor> {
        let part = |(sequence, length): (usize, &usize)| Ok(self.rows.get(sequence)?.narrow(0, 0, *length)?);
        let parts: Vec<Value> = lengths.iter().enumerate().map(part).collect::<Result<_>>()?;
        match parts.as_slice() {
            [single] => Ok(Tensor::constant(single.clone())),
            _ => Ok(Tensor::constant(Value::cat(&parts, 0)?)),
        }
    }

    /// The same for the sequences of these numbers; a number may come twice.
    ///
    /// # Errors
    /// When there is no such sequence.
    pub fn select(&self, sequences: &[usize]) -> Result<Self> {
        let rows: Vec<Value> =
            sequences.iter().map(|number| Ok(self.rows.narrow(0, *number, 1)?)).collect::<Result<_>>()?;
        Ok(Self { rows: Value::cat(&rows, 0)? })
    }
}

/// Refuses rows that are not those of the layout, and layouts of another number of sequences.
pub(super) fn fits(operation: &'static str, rows: &Tensor, layout: &Layout, lengths: &[usize]) -> Result<()> {
    if rows.dims().first() != Some(&layout.tokens()) {
        let fact = format!("the rows {:?} meet a layout of {} rows", rows.dims(), layout.tokens());
        return Err(Error::shape(operation, fact).with_help("pass the layout that the new rows belong to"));
    }
    if layout.segments() != lengths.len() {
        let fact = format!("a layout of {} segments meets a past of {} sequences", layout.segments(), lengths.len());
        return Err(Error::shape(operation, fact).with_help("a step has one segment for each sequence of the state"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Device;
    use crate::testing::numbers;

    fn rows(from: usize, count: usize) -> Tensor {
        let data: Vec<f32> = (from..from + count).flat_map(|row| [row as f32, -(row as f32)]).collect();
        Tensor::from_slice(&data, &[count, 2], &Device::Cpu).unwrap()
    }

    #[test]
    fn rows_of_unequal_sequences_grow_apart() {
        let mut past = PastRows::new(2, 1, &rows(0, 1)).unwrap();
        let first = Layout::new(&[3, 1], &[0, 1]).unwrap();
        past.append(&rows(0, 4), &first, &[0, 0]).unwrap();
        let next = Layout::new(&[1, 2], &[0, 1]).unwrap();
        past.append(&rows(4, 3), &next, &[3, 1]).unwrap();
        let firsts = |past: &PastRows, lengths: &[usize]| -> Vec<f64> {
            numbers(past.read(lengths).unwrap().value()).into_iter().step_by(2).collect()
        };
        assert_eq!(firsts(&past, &[4, 3]), [0., 1., 2., 4., 3., 5., 6.]);
        assert_eq!(firsts(&past.select(&[1, 1, 0]).unwrap(), &[3, 1, 2]), [3., 5., 6., 3., 0., 1.]);
        assert!(past.append(&rows(0, 2), &next, &[4, 3]).is_err());
    }

    #[test]
    fn what_was_read_stays_as_it_was() {
        let mut past = PastRows::new(1, 4, &rows(0, 1)).unwrap();
        let one = Layout::new(&[1], &[0]).unwrap();
        past.append(&rows(7, 1), &one, &[0]).unwrap();
        let before = past.read(&[1]).unwrap();
        past.append(&rows(8, 1), &one, &[1]).unwrap();
        assert_eq!(numbers(before.value()), [7., -7.]);
        assert_eq!(numbers(past.read(&[2]).unwrap().value()), [7., -7., 8., -8.]);
    }
}
