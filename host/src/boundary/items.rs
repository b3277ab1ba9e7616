//! Items: results of single samples, put together over the batches of a measurement.

use compute::layout::Layout;
use compute::{DType, Device, Tensor, ops};
use lacuna_abi::{self as abi, Bytes};

use crate::error::{Error, Result};

/// A result of each sample of a batch.
#[derive(Debug, Clone)]
pub struct BatchItem {
    /// Its name.
    pub name: String,
    /// `[b]`, `[b, k]`, or with a layout `[n]`; without gradient.
    pub values: Tensor,
    /// Which rows belong to which sample.
    pub layout: Option<Layout>,
    /// Whether it goes into the records of the run.
    pub written: bool,
}

/// What one sample has under one name.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemValue {
    /// One number.
    Number(f64),
    /// Some numbers.
    List(Vec<f64>),
}

/// The results of all samples under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemColumn {
    /// The name.
    pub name: String,
    /// Whether it goes into the records of the run.
    pub written: bool,
    /// The numbers, one sample after the other.
    pub values: Vec<f64>,
    /// Where each sample's numbers begin, and one past the last; `None` where each has one number.
    pub starts: Option<Vec<u64>>,
}

impl ItemColumn {
    /// What sample number `sample` has.
    ///
    /// # Panics
    /// When there is no such sample.
    #[must_use]
    pub fn value(&self, sample: usize) -> ItemValue {
        match &self.starts {
            None => ItemValue::Number(self.values[sample]),
            Some(starts) => ItemValue::List(self.values[starts[sample] as usize..starts[sample + 1] as usize].to_vec()),
        }
    }
}

/// The items of all samples of a measurement, in the order of the samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Items {
    /// The samples' identities.
    pub ids: Vec<u64>,
    /// The results, in the order in which the plugin gives them.
    pub columns: Vec<ItemColumn>,
}

impl Items {
    /// Whether any column goes into the records.
    #[must_use]
    pub fn to_write(&self) -> bool {
        self.columns.iter().any(|column| column.written)
    }

    /// The items as they cross, alive while `work` runs.
    pub(super) fn lent<T>(&self, work: impl FnOnce(&abi::Items) -> T) -> T {
        let column = |column: &ItemColumn| abi::ItemColumn {
            name: Bytes::text(&column.name),
            values: column.values.as_ptr(),
            values_len: column.values.len(),
            starts: column.starts.as_ref().map_or(std::ptr::null(), |starts| starts.as_ptr()),
        };
        let columns: Vec<abi::ItemColumn> = self.columns.iter().map(column).collect();
        work(&abi::Items {
            samples: self.ids.len(),
            ids: self.ids.as_ptr(),
            columns: columns.as_ptr(),
            columns_len: columns.len(),
        })
    }
}

/// One name over the batches so far.
#[derive(Debug)]
struct Growing {
    name: String,
    written: bool,
    values: Vec<ItemValue>,
}

/// Takes the items of batch after batch.
#[derive(Debug, Default)]
pub struct ItemsSoFar {
    /// Number among the samples, and identity, in the order of the batches.
    samples: Vec<(usize, u64)>,
    columns: Vec<Growing>,
}

impl ItemsSoFar {
    /// Takes the items of a batch whose samples have these numbers and identities.
    ///
    /// # Errors
    /// When an item has not one result for each sample, or is not given for every batch.
    pub fn add(&mut self, numbers: &[usize], ids: &[u64], items: &[BatchItem]) -> Result<()> {
        let before = self.samples.len();
        self.samples.extend(numbers.iter().copied().zip(ids.iter().copied()));
        for item in items {
            let values = values(item)?;
            if values.len() != ids.len() {
                let text = format!(
                    "the item `{}` has {} results for a batch of {} samples",
                    item.name,
                    values.len(),
                    ids.len()
                );
                return Err(Error::new("plugin/shape", text).with_help(
                    "give one number for each sample, or rows with a layout that has one segment for each sample",
                ));
            }
            match self.columns.iter_mut().find(|column| column.name == item.name) {
                Some(column) => column.values.extend(values),
                None if before == 0 => {
                    self.columns.push(Growing { name: item.name.clone(), written: item.written, values });
                }
                None => return Err(sometimes(&item.name)),
            }
        }
        match self.columns.iter().find(|column| column.values.len() != self.samples.len()) {
            Some(column) => Err(sometimes(&column.name)),
            None => Ok(()),
        }
    }

    /// All items in the order of the samples.
    ///
    /// # Errors
    /// When an item is a number for one sample and a list for another.
    pub fn finish(self) -> Result<Items> {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        // Packing puts samples into rows out of their order.
        order.sort_by_key(|place| self.samples[*place].0);
        let ids = order.iter().map(|place| self.samples[*place].1).collect();
        let columns = self.columns.into_iter().map(|column| sorted(column, &order)).collect::<Result<_>>()?;
        Ok(Items { ids, columns })
    }
}

fn sometimes(name: &str) -> Error {
    Error::new("plugin/items", format!("the item `{name}` is given for some batches only"))
        .with_help("give every item for every batch, for a batch without labels as NaN or an empty list")
}

fn sorted(column: Growing, order: &[usize]) -> Result<ItemColumn> {
    let Growing { name, written, values } = column;
    let lists = matches!(values.first(), Some(ItemValue::List(_)));
    let (mut numbers, mut starts) = (Vec::with_capacity(values.len()), vec![0]);
    for place in order {
        match &values[*place] {
            ItemValue::Number(number) if !lists => numbers.push(*number),
            ItemValue::List(list) if lists => numbers.extend(list),
            _ => {
                let text = format!("the item `{name}` is a number for one sample and a list for another");
                return Err(Error::new("plugin/items", text));
            }
        }
        starts.push(numbers.len() as u64);
    }
    Ok(ItemColumn { name, written, values: numbers, starts: lists.then_some(starts) })
}

/// The results of each sample of a batch.
fn values(item: &BatchItem) -> Result<Vec<ItemValue>> {
    let numbers = numbers(&item.values)?;
    let dims = item.values.dims();
    match &item.layout {
        Some(layout) => {
            let mut rest = numbers.as_slice();
            let mut list = |length: usize| {
                let (own, after) = rest.split_at(length.min(rest.len()));
                rest = after;
                ItemValue::List(own.to_vec())
            };
            Ok(layout.lengths().map(&mut list).collect())
        }
        None if dims.len() == 1 => Ok(numbers.into_iter().map(ItemValue::Number).collect()),
        None => {
            let width = dims.get(1).copied().unwrap_or(1);
            let list = |sample: usize| ItemValue::List(numbers[sample * width..(sample + 1) * width].to_vec());
            Ok((0..dims[0]).map(list).collect())
        }
    }
}

/// The elements of a tensor, whatever their type.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    let here = tensor.value().to_device(&Device::Cpu).map_err(compute::Error::from)?;
    let here = if tensor.dtype() == DType::Bool { Tensor::truth(here) } else { Tensor::constant(here) };
    let double = ops::cast(&here, DType::F64)?;
    let numbers = double.value().flatten_all().and_then(|value| value.to_vec1()).map_err(compute::Error::from)?;
    Ok(numbers)
}

/// Refuses what can't be divided among samples.
pub(super) fn check(item: &BatchItem) -> Result<()> {
    let (name, dims) = (&item.name, item.values.dims());
    let fits = match &item.layout {
        Some(layout) => dims == [layout.tokens()],
        None => matches!(dims.len(), 1 | 2),
    };
    if fits {
        return Ok(());
    }
    let wanted = item.layout.as_ref().map_or("[b] or [b, k]".to_owned(), |layout| format!("[{}]", layout.tokens()));
    Err(Error::new("plugin/shape", format!("the item `{name}` has shape {dims:?}, not {wanted}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn item(name: &str, values: &[f32], dims: &[usize], lengths: Option<&[usize]>) -> BatchItem {
        let layout = lengths.map(|lengths| Layout::new(lengths, &vec![0; lengths.len()]).unwrap());
        let values = Tensor::from_slice(values, dims, &Device::Cpu).unwrap();
        BatchItem { name: name.into(), values, layout, written: true }
    }

    #[test]
    fn items_come_in_the_order_of_the_samples() {
        let mut items = ItemsSoFar::default();
        let first = [item("a", &[2.0, 0.0], &[2], None), item("b", &[5.0, 6.0, 7.0], &[3], Some(&[2, 1]))];
        items.add(&[2, 0], &[22, 20], &first).unwrap();
        items.add(&[1], &[21], &[item("a", &[1.0], &[1], None), item("b", &[], &[0], Some(&[0]))]).unwrap();
        let items = items.finish().unwrap();
        assert_eq!(items.ids, [20, 21, 22]);
        assert_eq!(items.columns[0].values, [0.0, 1.0, 2.0]);
        assert_eq!(items.columns[1].starts.as_deref().unwrap(), [0, 1, 1, 3]);
        assert_eq!(items.columns[1].value(2), ItemValue::List(vec![5.0, 6.0]));
        assert_eq!(items.columns[0].value(2), ItemValue::Number(2.0));
    }

    #[test]
    fn several_numbers_for_each_sample_are_lists() {
        let mut items = ItemsSoFar::default();
        items.add(&[0, 1], &[0, 1], &[item("a", &[1.0, 2.0, 3.0, 4.0], &[2, 2], None)]).unwrap();
        let items = items.finish().unwrap();
        assert_eq!(items.columns[0].value(1), ItemValue::List(vec![3.0, 4.0]));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut items = ItemsSoFar::default();
        let error = items.add(&[0, 1], &[0, 1], &[item("a", &[1.0], &[1], None)]).unwrap_err();
        assert!(error.text.contains("1 results for a batch of 2"), "{error}");
        let mut items = ItemsSoFar::default();
        items.add(&[0], &[0], &[item("a", &[1.0], &[1], None)]).unwrap();
        assert_eq!(items.add(&[1], &[1], &[]).unwrap_err().code, "plugin/items");
        let mut items = ItemsSoFar::default();
        items.add(&[0], &[0], &[]).unwrap();
        assert!(items.add(&[1], &[1], &[item("a", &[1.0], &[1], None)]).is_err());
        assert_eq!(ItemsSoFar::default().finish().unwrap(), Items::default());
        assert!(check(&item("a", &[1.0], &[1, 1, 1], None)).is_err());
        assert!(check(&item("a", &[1.0], &[1], Some(&[2]))).is_err());
    }
}
