//! What a model remembers of the sequences it decodes step by step.
//!
//! The host knows how long each sequence is; a step writes behind that and counts once it has succeeded, so that a failed one
//! leaves nothing. Each entry has one owner, this state, and therefore grows in place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use compute::layout::Layout;
use compute::mask::Mask;
use compute::past::{KeysValues, PastRows};
use compute::{DType, Tensor, nn_ops, ops};

use crate::error::{Error, Result};

/// The state of b sequences: tensors by name, sequences first.
pub struct State {
    inner: Mutex<Inner>,
}

#[derive(Clone)]
struct Inner {
    /// Rows of each sequence that count.
    lengths: Vec<usize>,
    /// Rows that room is made for at first.
    room: usize,
    entries: BTreeMap<String, Entry>,
    /// What the step under way has appended to.
    appended: BTreeSet<String>,
}

#[derive(Clone)]
enum Entry {
    /// `[b, ..]`, replaced as a whole.
    Fixed(Tensor),
    Rows(PastRows),
    KeysValues(KeysValues),
    /// The same where the fast form does not apply: another device, double precision.
    Pair(Box<(PastRows, PastRows)>),
}

impl Entry {
    fn kind(&self) -> &'static str {
        match self {
            Self::Fixed(_) => "a tensor of a fixed size",
            Self::Rows(_) => "rows",
            Self::KeysValues(_) | Self::Pair(_) => "keys and values",
        }
    }
}

impl State {
    /// An empty state of `count` sequences with room for `room` rows each before it has to grow.
    #[must_use]
    pub fn new(count: usize, room: usize) -> Self {
        let (entries, appended) = (BTreeMap::new(), BTreeSet::new());
        Self { inner: Mutex::new(Inner { lengths: vec![0; count], room, entries, appended }) }
    }

    /// How many rows each sequence has.
    #[must_use]
    pub fn lengths(&self) -> Vec<usize> {
        self.inner().lengths.clone()
    }

    /// The layout of a step with so many new rows of each sequence: positions continue. `keys` are the random keys.
    ///
    /// # Errors
    /// When there are not as many numbers as sequences.
    pub fn layout(&self, new: &[usize], keys: &[u64]) -> Result<Layout> {
        let inner = self.inner();
        if new.len() != inner.lengths.len() {
            return Err(sequences(new.len(), inner.lengths.len()));
        }
        let positions = inner.lengths.iter().zip(new).flat_map(|(past, new)| *past as u32..(past + new) as u32);
        Ok(Layout::new(new, keys)?.with_positions(positions.collect())?)
    }

    /// A state of the sequences of these numbers, which may come twice (beams) or not at all (finished ones).
    ///
    /// # Errors
    /// When there is no such sequence.
    pub fn select(&self, numbers: &[usize]) -> Result<Self> {
        let inner = self.inner();
        let count = inner.lengths.len();
        if let Some(number) = numbers.iter().find(|number| **number >= count) {
            return Err(Error::new("state/sequence", format!("a state of {count} sequences has no number {number}")));
        }
        let ids: Vec<u32> = numbers.iter().map(|number| *number as u32).collect();
        let mut entries = BTreeMap::new();
        for (name, entry) in &inner.entries {
            let entry = match entry {
                Entry::Fixed(tensor) => {
                    let ids = Tensor::from_slice(&ids, &[ids.len()], tensor.device())?;
                    Entry::Fixed(ops::index_select(tensor, 0, &ids)?)
                }
                Entry::Rows(rows) => Entry::Rows(rows.select(numbers)?),
                Entry::KeysValues(past) => Entry::KeysValues(past.select(numbers)),
                Entry::Pair(pair) => Entry::Pair(Box::new((pair.0.select(numbers)?, pair.1.select(numbers)?))),
            };
            entries.insert(name.clone(), entry);
        }
        let lengths = numbers.iter().map(|number| inner.lengths[*number]).collect();
        Ok(Self { inner: Mutex::new(Inner { lengths, room: inner.room, entries, appended: BTreeSet::new() }) })
    }

    /// Ends a step: its rows count if it succeeded.
    pub(super) fn end_step(&self, layout: &Layout, succeeded: bool) {
        let mut inner = self.inner();
        inner.appended.clear();
        if succeeded {
            inner.lengths.iter_mut().zip(layout.lengths()).for_each(|(length, new)| *length += new);
        }
    }

    /// The tensor `[b, ..]` of that name.
    ///
    /// # Errors
    /// When the name belongs to something that grows.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        match self.inner().entries.get(name) {
            None => Ok(None),
            Some(Entry::Fixed(tensor)) => Ok(Some(tensor.clone())),
            Some(other) => Err(taken(name, other)),
        }
    }

    /// Puts a tensor `[b, ..]`, without its gradient.
    ///
    /// # Errors
    /// When its first axis is not the sequences, or the name belongs to something that grows.
    pub fn set(&self, name: &str, tensor: &Tensor) -> Result<()> {
        let mut inner = self.inner();
        let count = inner.lengths.len();
        if tensor.dims().first() != Some(&count) {
            let text = format!("`{name}` is {:?} in a state of {count} sequences", tensor.dims());
            return Err(Error::new("tensor/shape", text).with_help("the sequences are the first axis"));
        }
        match inner.entries.get(name) {
            None | Some(Entry::Fixed(_)) => {}
            Some(other) => return Err(taken(name, other)),
        }
        inner.entries.insert(name.to_owned(), Entry::Fixed(tensor.stop_gradient()));
        Ok(())
    }

    /// Appends the rows `[n, ..]` of a step; all rows `[m, ..]` and their layout.
    ///
    /// # Errors
    /// When rows and layout do not fit the state, or were appended in this step before.
    pub fn append(&self, name: &str, rows: &Tensor, layout: &Layout) -> Result<(Tensor, Layout)> {
        let mut inner = self.inner();
        inner.begin(name, layout)?;
        let Inner { lengths, room, entries, .. } = &mut *inner;
        if !entries.contains_key(name) {
            entries.insert(name.to_owned(), Entry::Rows(PastRows::new(lengths.len(), *room, rows)?));
        }
        let past = match entries.get_mut(name) {
            Some(Entry::Rows(past)) => past,
            Some(other) => return Err(taken(name, other)),
            None => return Err(Error::new("host/state", format!("`{name}` was lost"))),
        };
        past.append(rows, layout, lengths)?;
        let after = after(lengths, layout);
        Ok((past.read(&after)?, Layout::new(&after, layout.row_keys())?))
    }

    /// Attention of `q` to all keys and values, which those of this step join.
    ///
    /// # Errors
    /// As [`State::append`], and when the shapes do not fit or a gradient would have to go back.
    pub fn attend(
        &self,
        name: &str,
        (q, k, v): (&Tensor, &Tensor, &Tensor),
        layout: &Layout,
        mask: &Mask,
        scale: f64,
    ) -> Result<Tensor> {
        if compute::mode::gradients_on() && [q, k, v].iter().any(|tensor| tensor.needs_gradient()) {
            let text = format!("the past of `{name}` keeps no gradient, but the rows of this step need one");
            return Err(Error::new("tensor/gradient", text).with_help("decode without gradients"));
        }
        let mut inner = self.inner();
        inner.begin(name, layout)?;
        let Inner { lengths, room, entries, .. } = &mut *inner;
        if !entries.contains_key(name) {
            let (count, room) = (lengths.len(), *room);
            let entry = if k.device().is_cpu() && k.dtype() != DType::F64 {
                Entry::KeysValues(KeysValues::new(count, room, k, v)?)
            } else {
                Entry::Pair(Box::new((PastRows::new(count, room, k)?, PastRows::new(count, room, v)?)))
            };
            entries.insert(name.to_owned(), entry);
        }
        let after = after(lengths, layout);
        let first = lengths.iter().all(|length| *length == 0);
        let (keys, values) = match entries.get_mut(name) {
            Some(Entry::KeysValues(past)) => {
                past.append(k, v, layout, lengths)?;
                // Without a past the general kernel takes all queries of a sequence together.
                let alone = layout.lengths().all(|new| new <= 1);
                if first && !alone {
                    (k.clone(), v.clone())
                } else if let Some(attended) = past.attend(q, layout, &after, mask, scale)? {
                    return Ok(attended);
                } else {
                    past.read(&after)?
                }
            }
            Some(Entry::Pair(pair)) => {
                pair.0.append(k, layout, lengths)?;
                pair.1.append(v, layout, lengths)?;
                (pair.0.read(&after)?, pair.1.read(&after)?)
            }
            Some(other) => return Err(taken(name, other)),
            None => return Err(Error::new("host/state", format!("`{name}` was lost"))),
        };
        let keys_layout = Layout::new(&after, layout.row_keys())?;
        let keys = ops::cast(&keys, q.dtype())?;
        let values = ops::cast(&values, q.dtype())?;
        Ok(nn_ops::attention(q, &keys, &values, layout, &keys_layout, mask, scale, None)?)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Holds a step's layout against the state, and remembers the name.
    fn begin(&mut self, name: &str, layout: &Layout) -> Result<()> {
        if layout.segments() != self.lengths.len() {
            return Err(sequences(layout.segments(), self.lengths.len()));
        }
        if self.appended.insert(name.to_owned()) {
            return Ok(());
        }
        Err(Error::new("state/twice", format!("`{name}` is appended to twice in one step"))
            .with_help("give each layer, and each thing it remembers, a name of its own"))
    }
}

fn after(lengths: &[usize], layout: &Layout) -> Vec<usize> {
    lengths.iter().zip(layout.lengths()).map(|(past, new)| past + new).collect()
}

fn sequences(given: usize, known: usize) -> Error {
    Error::new("state/sequence", format!("a step of {given} sequences meets a state of {known}"))
        .with_help("a step has one segment, possibly empty, for each sequence of the state")
}

fn taken(name: &str, entry: &Entry) -> Error {
    Error::new("state/kind", format!("`{name}` of the state holds {}", entry.kind()))
        .with_help("give different things different names")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use compute::Device;

    use super::*;

    fn rows(data: &[f32]) -> Tensor {
        Tensor::from_slice(data, &[data.len(), 1], &Device::Cpu).unwrap()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        tensor.value().flatten_all().and_then(|value| value.to_vec1()).unwrap()
    }

    #[test]
    fn rows_count_once_the_step_has_succeeded() {
        let state = State::new(2, 1);
        let first = state.layout(&[2, 1], &[7, 8]).unwrap();
        assert_eq!(first.positions(), [0, 1, 0]);
        let (all, layout) = state.append("a", &rows(&[1., 2., 3.]), &first).unwrap();
        assert_eq!((numbers(&all), layout.row_keys()), (vec![1., 2., 3.], [7, 8].as_slice()));
        assert_eq!(state.append("a", &rows(&[1., 2., 3.]), &first).unwrap_err().code, "state/twice");
        state.end_step(&first, true);

        let failed = state.layout(&[1, 1], &[7, 8]).unwrap();
        assert_eq!(failed.positions(), [2, 1]);
        let _ = state.append("a", &rows(&[-1., -2.]), &failed).unwrap();
        state.end_step(&failed, false);
        assert_eq!(state.lengths(), [2, 1]);

        let next = state.layout(&[0, 2], &[7, 8]).unwrap();
        let (all, _) = state.append("a", &rows(&[4., 5.]), &next).unwrap();
        assert_eq!(numbers(&all), [1., 2., 3., 4., 5.]);
        state.end_step(&next, true);
        assert_eq!(state.select(&[1, 0, 1]).unwrap().lengths(), [3, 2, 3]);
    }

    #[test]
    fn tensors_of_a_fixed_size_are_replaced() {
        let state = State::new(2, 1);
        assert!(state.get("b").unwrap().is_none());
        state.set("b", &rows(&[1., 2.])).unwrap();
        state.set("b", &rows(&[3., 4.])).unwrap();
        let turned = state.select(&[1, 0]).unwrap();
        assert_eq!(numbers(&turned.get("b").unwrap().unwrap()), [4., 3.]);
        assert_eq!(state.set("b", &rows(&[1.])).unwrap_err().code, "tensor/shape");
        let layout = state.layout(&[1, 1], &[0, 1]).unwrap();
        assert_eq!(state.append("b", &rows(&[1., 2.]), &layout).unwrap_err().code, "state/kind");
        assert!(state.layout(&[1], &[0]).is_err() && state.select(&[2]).is_err());
    }

    #[test]
    fn double_precision_and_masks_over_rows_take_the_general_way() {
        let tensor = |count: usize, dtype| {
            let data: Vec<f32> = (0..count * 4).map(|index| (index as f32 * 0.7).sin()).collect();
            ops::cast(&Tensor::from_slice(&data, &[count, 1, 4], &Device::Cpu).unwrap(), dtype).unwrap()
        };
        let mut results = Vec::new();
        for dtype in [DType::F32, DType::F64] {
            let (state, whole) = (State::new(1, 1), tensor(3, dtype));
            for count in [2, 1] {
                let layout = state.layout(&[count], &[0]).unwrap();
                let start = state.lengths()[0];
                let x = Tensor::constant(whole.value().narrow(0, start, count).unwrap());
                let visible = Tensor::truth(
                    compute::Value::from_slice(&[1_u8, 0, 1][..start + count], start + count, &Device::Cpu).unwrap(),
                );
                let mask = Mask::causal().and(&Mask::keys(&visible).unwrap());
                let attended = state.attend("c", (&x, &x, &x), &layout, &mask, 0.5).unwrap();
                state.end_step(&layout, true);
                assert_eq!(attended.dtype(), dtype);
                results.push(numbers(&ops::cast(&attended, DType::F32).unwrap()));
            }
            // Keys 1 and 3 are seen by the last query.
            let layout = Layout::new(&[3], &[0]).unwrap();
            let visible = Tensor::truth(compute::Value::from_slice(&[1_u8, 0, 1], 3, &Device::Cpu).unwrap());
            let mask = Mask::causal().and(&Mask::keys(&visible).unwrap());
            let expected = nn_ops::attention(&whole, &whole, &whole, &layout, &layout, &mask, 0.5, None).unwrap();
            let expected = numbers(&ops::cast(&expected, DType::F32).unwrap());
            let found = results.last().unwrap();
            assert!(found.iter().zip(&expected[8..]).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}, {expected:?}");
        }
    }
}
