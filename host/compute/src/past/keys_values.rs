//! Keys and values of sequences, laid out for one query at a time.

use super::rows::fits;
use crate::kernel::{slice, value_of};
use crate::layout::Layout;
use crate::{Error, Result, Tensor};

/// Places that room is made for at once: whole vectors.
const STEP: usize = 16;

/// Keys and values of b sequences on the CPU, in f32.
///
/// Keys lie feature by feature `[b, g, k, capacity]`, so that the scores of all places come from whole vectors; values place
/// by place `[b, g, capacity, d]`. Appending writes in place; the room doubles where it is used up.
#[derive(Clone)]
pub struct KeysValues {
    pub(super) heads: usize,
    pub(super) width: usize,
    pub(super) value_width: usize,
    pub(super) capacity: usize,
    sequences: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// What is remembered of one head of one sequence.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    /// `[k, capacity]`.
    pub(super) keys: &'a [f32],
    /// `[capacity, d]`.
    pub(super) values: &'a [f32],
}

impl KeysValues {
    /// Room for `capacity` places of each of `count` sequences, for keys like `keys` `[n, g, k]` and values like `values`
    /// `[n, g, d]`.
    ///
    /// # Errors
    /// When keys and values do not go together.
    pub fn new(count: usize, capacity: usize, keys: &Tensor, values: &Tensor) -> Result<Self> {
        let (&[_, heads, width], &[_, value_heads, value_width]) = (keys.dims(), values.dims()) else {
            return Err(apart(keys, values));
        };
        if heads != value_heads {
            return Err(apart(keys, values));
        }
        let empty =
            Self { heads, width, value_width, capacity: 0, sequences: count, keys: Vec::new(), values: Vec::new() };
        Ok(empty.with_room(capacity.max(1)))
    }

    /// Writes `keys` `[n, g, k]` and `values` `[n, g, d]` of `layout` behind the first `lengths` places of each sequence.
    ///
    /// # Errors
    /// When they are not the rows of the layout, or of another shape than before.
    pub fn append(&mut self, keys: &Tensor, values: &Tensor, layout: &Layout, lengths: &[usize]) -> Result<()> {
        fits("attention", keys, layout, lengths)?;
        let n = layout.tokens();
        if keys.dims() != [n, self.heads, self.width] || values.dims() != [n, self.heads, self.value_width] {
            return Err(apart(keys, values));
        }
        let needed = lengths.iter().zip(layout.lengths()).map(|(past, new)| past + new).max().unwrap_or(0);
        if needed > self.capacity {
            *self = self.with_room(needed.max(2 * self.capacity));
        }
        slice!(k: f32 = keys.value());
        slice!(v: f32 = values.value());
        let Self { heads, width, value_width, capacity, .. } = *self;
        for (sequence, past) in lengths.iter().enumerate() {
            for index in 0..layout.length(sequence) {
                let (row, place) = (layout.offsets()[sequence] + index, past + index);
                for head in 0..heads {
                    let (source, target) = (row * heads + head, sequence * heads + head);
                    let features = &mut self.keys[target * width * capacity..][..width * capacity];
                    for (column, key) in features.chunks_mut(capacity).zip(&k[source * width..][..width]) {
                        column[place] = *key;
                    }
                    self.values[(target * capacity + place) * value_width..][..value_width]
                        .copy_from_slice(&v[source * value_width..][..value_width]);
                }
            }
        }
        Ok(())
    }

    /// Keys `[m, g, k]` and values `[m, g, d]` of the first `lengths` places of each sequence, one sequence after the other.
    ///
    /// # Errors
    /// When there are fewer places.
    pub fn read(&self, lengths: &[usize]) -> Result<(Tensor, Tensor)> {
        if lengths.len() != self.sequences || lengths.iter().any(|length| *length > self.capacity) {
            let fact = format!("{} sequences of {} places hold no {lengths:?}", self.sequences, self.capacity);
            return Err(Error::argument("attention", fact));
        }
        let m: usize = lengths.iter().sum();
        let (mut keys, mut values) = (Vec::<f32>::with_capacity(m * self.heads * self.width), Vec::<f32>::new());
        for (sequence, length) in lengths.iter().enumerate() {
            for place in 0..*length {
                for head in 0..self.heads {
                    let head = self.head(sequence, head);
                    keys.extend(head.keys.iter().skip(place).step_by(self.capacity));
                    values.extend_from_slice(&head.values[place * self.value_width..(place + 1) * self.value_width]);
                }
            }
        }
        Ok((
            Tensor::constant(value_of(keys, &[m, self.heads, self.width])?),
            Tensor::constant(value_of(values, &[m, self.heads, self.value_width])?),
        ))
    }

    /// The same for the sequences of these numbers; a number may come twice.
    #[must_use]
    pub fn select(&self, sequences: &[usize]) -> Self {
        let gathered = |data: &[f32], width: usize| -> Vec<f32> {
            let size = self.heads * self.capacity * width;
            sequences.iter().flat_map(|number| &data[number * size..(number + 1) * size]).copied().collect()
        };
        let (keys, values) = (gathered(&self.keys, self.width), gathered(&self.values, self.value_width));
        Self { sequences: sequences.len(), keys, values, ..*self }
    }

    pub(super) fn head(&self, sequence: usize, head: usize) -> Head<'_> {
        let at = sequence * self.heads + head;
        let (k, v) = (self.width * self.capacity, self.value_width * self.capacity);
        Head { keys: &self.keys[at * k..(at + 1) * k], values: &self.values[at * v..(at + 1) * v] }
    }

    /// The same with room for so many places.
    fn with_room(&self, capacity: usize) -> Self {
        let capacity = capacity.next_multiple_of(STEP);
        let heads = self.sequences * self.heads;
        let mut keys = vec![0.0; heads * self.width * capacity];
        let mut values = vec![0.0; heads * self.value_width * capacity];
        if self.capacity > 0 {
            for (new, old) in keys.chunks_mut(capacity).zip(self.keys.chunks(self.capacity)) {
                new[..self.capacity].copy_from_slice(old);
            }
            let size = self.value_width * self.capacity;
            for (new, old) in values.chunks_mut(self.value_width * capacity).zip(self.values.chunks(size)) {
                new[..size].copy_from_slice(old);
            }
        }
        Self { capacity, keys, values, ..*self }
    }
}

fn apart(keys: &Tensor, values: &Tensor) -> Error {
    let fact =
        format!("keys {:?} and values {:?} do not go together, or not with those before", keys.dims(), values.dims());
    Error::shape("attention", fact).with_help("keys are [n, g, k], values [n, g, d], of the same sizes in every step")
}
