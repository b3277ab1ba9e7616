//! Items, the results of single samples, and figures over all of them.
//!
//! A mean over batches can be put together from sums and counts; a correlation or an F1 can't. For those a measurement on
//! held-out data gives items: the host puts the items of all batches together, in the order of the samples, and asks for the
//! figures once. Items also go into the run's `items.jsonl`, so that two runs can be compared sample by sample.

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::objective::{Loss, Objective};
use crate::raw::{HostObject, Object, calls};
use crate::tensor::Tensor;

/// Figures over all samples of a held-out measurement.
pub trait Figures: Objective {
    /// Named figures, in the order in which they are shown; one with the name of a metric takes its place.
    ///
    /// # Errors
    /// When an item is missing, or the figures cannot be told from these samples.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>>;

    /// Named maps `[h, w]` of light from 0 to 1 over all samples, for the report.
    ///
    /// # Errors
    /// As [`Figures::figures`].
    fn maps(&self, items: &Items) -> Result<Vec<(String, Tensor)>> {
        let _ = items;
        Ok(Vec::new())
    }
}

/// One item of a batch, on its way to the host.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    name: String,
    values: Tensor,
    layout: Option<Layout>,
    write: Write,
}

/// What becomes of an item; the numbers are those of `lacuna_abi::Logs::item`.
#[derive(Debug, Clone, Copy)]
enum Write {
    ForFigures = 0,
    Records = 1,
    Pixels = 2,
    Levels = 3,
}

impl Item {
    pub(crate) fn hand_over(&self, collector: &Object) -> Result<()> {
        let layout = self.layout.as_ref().map(HostObject::object);
        calls::item(collector, &self.name, self.values.object(), layout, self.write as u32)
    }
}

impl Loss {
    /// A result of each sample of the batch: `values` `[b]`, one number each, or `[b, k]`, a list of k numbers each. Truth values
    /// count as 0 and 1. Forgotten while training.
    pub fn item(self, name: &str, values: &Tensor) -> Self {
        self.with_item(name, values, None, Write::Records)
    }

    /// As many results of each sample as it has rows: `values_n` `[n]` in a layout of one segment for each sample.
    pub fn item_rows(self, name: &str, values_n: &Tensor, layout: &Layout) -> Self {
        self.with_item(name, values_n, Some(layout.clone()), Write::Records)
    }

    /// As [`Loss::item`], for figures alone: what would fill a file without telling a reader anything, such as hidden features.
    pub fn item_for_figures(self, name: &str, values: &Tensor) -> Self {
        self.with_item(name, values, None, Write::ForFigures)
    }

    /// As [`Loss::item_rows`], for figures alone.
    pub fn item_rows_for_figures(self, name: &str, values_n: &Tensor, layout: &Layout) -> Self {
        self.with_item(name, values_n, Some(layout.clone()), Write::ForFigures)
    }

    /// Pictures of each sample of the batch for the report of the run: all `[b, c, h, w]` as the model sees pixels, shown one below
    /// the other (as it is, what is hidden, what is predicted), which `name` tells. Those of the first held-out samples are kept.
    /// Forgotten while training: what costs time is made only where [`training`](crate::training) is false.
    pub fn pictures(self, name: &str, pictures_bchw: &[&Tensor]) -> Self {
        self.with_item(name, &Tensor::stack(pictures_bchw, 1), None, Write::Pixels)
    }

    /// As [`Loss::pictures`], of levels of light from 0 to 1: maps of codes or weights.
    pub fn maps(self, name: &str, maps_bchw: &[&Tensor]) -> Self {
        self.with_item(name, &Tensor::stack(maps_bchw, 1), None, Write::Levels)
    }

    fn with_item(mut self, name: &str, values: &Tensor, layout: Option<Layout>, write: Write) -> Self {
        self.items.push(Item { name: name.to_owned(), values: values.clone(), layout, write });
        self
    }
}

/// One map of light from 0 to 1 over all samples, `[h, w]`, for the report.
pub(crate) fn hand_over_map(collector: &Object, name: &str, map_hw: &Tensor) -> Result<()> {
    let map = map_hw.unsqueeze(0).unsqueeze(0).unsqueeze(0);
    calls::item(collector, name, map.object(), None, Write::Levels as u32)
}

/// The results of one name.
#[derive(Debug, Clone, PartialEq)]
enum Values {
    Numbers(Vec<f64>),
    Lists(Vec<Vec<f64>>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Lists(lists) => lists.len(),
        }
    }
}

/// The items of all samples, in the order of the samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Items {
    ids: Vec<u64>,
    columns: Vec<(String, Values)>,
}

impl Items {
    /// Of samples with these identities, without any result yet; tests of figures begin here.
    #[must_use]
    pub fn new(ids: Vec<u64>) -> Self {
        Self { ids, columns: Vec::new() }
    }

    /// With a number for each sample.
    ///
    /// # Errors
    /// When there is another number of them than of samples.
    pub fn with_numbers(self, name: &str, numbers: Vec<f64>) -> Result<Self> {
        self.with(name, Values::Numbers(numbers))
    }

    /// With a list for each sample.
    ///
    /// # Errors
    /// As [`Items::with_numbers`].
    pub fn with_lists(self, name: &str, lists: Vec<Vec<f64>>) -> Result<Self> {
        self.with(name, Values::Lists(lists))
    }

    fn with(mut self, name: &str, values: Values) -> Result<Self> {
        if values.len() != self.ids.len() {
            let text = format!("`{name}` has {} results for {} samples", values.len(), self.ids.len());
            return Err(Error::new("plugin/items", text));
        }
        self.columns.push((name.to_owned(), values));
        Ok(self)
    }

    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The identities of the samples.
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The names of the results.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// One number for each sample.
    ///
    /// # Errors
    /// When there is no such result, or it is a list for each sample.
    #[track_caller]
    pub fn numbers(&self, name: &str) -> Result<&[f64]> {
        match self.get(name)? {
            Values::Numbers(numbers) => Ok(numbers),
            Values::Lists(_) => Err(Error::new("plugin/items", format!("`{name}` holds a list for each sample"))
                .help("read it with `lists`")),
        }
    }

    /// The same as whole numbers, such as classes.
    ///
    /// # Errors
    /// As [`Items::numbers`], or when one is not a whole number from 0.
    #[track_caller]
    pub fn indices(&self, name: &str) -> Result<Vec<usize>> {
        let whole = |number: &f64| {
            (*number >= 0.0 && number.fract() == 0.0 && *number < 9e15).then_some(*number as usize).ok_or_else(|| {
                Error::new("plugin/items", format!("`{name}` holds {number}, which is no whole number from 0"))
            })
        };
        self.numbers(name)?.iter().map(whole).collect()
    }

    /// A list of numbers for each sample.
    ///
    /// # Errors
    /// When there is no such result, or it is one number for each sample.
    #[track_caller]
    pub fn lists(&self, name: &str) -> Result<&[Vec<f64>]> {
        match self.get(name)? {
            Values::Lists(lists) => Ok(lists),
            Values::Numbers(_) => Err(Error::new("plugin/items", format!("`{name}` holds one number for each sample"))
                .help("read it with `numbers`")),
        }
    }

    #[track_caller]
    fn get(&self, name: &str) -> Result<&Values> {
        match self.columns.iter().find(|(known, _)| known == name) {
            Some((_, values)) => Ok(values),
            None => Err(Error::new("plugin/items", format!("the samples have no result `{name}`"))
                .help(format!("they have {}", self.names().collect::<Vec<_>>().join(", ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn results_are_found_by_name_and_kind() {
        let items = Items::new(vec![7, 9]).with_numbers("label", vec![1.0, 0.0]).unwrap();
        let items = items.with_lists("scores", vec![vec![0.5], vec![]]).unwrap();
        assert_eq!((items.len(), items.ids()), (2, [7, 9].as_slice()));
        assert_eq!(items.numbers("label").unwrap(), [1.0, 0.0]);
        assert_eq!(items.indices("label").unwrap(), [1, 0]);
        assert_eq!(items.lists("scores").unwrap()[0], [0.5]);
        assert!(items.lists("label").unwrap_err().text().contains("one number"));
        assert!(items.numbers("labels").unwrap_err().text().contains("no result `labels`"));
    }

    #[test]
    fn results_that_do_not_fit_are_refused() {
        assert!(Items::new(vec![1]).with_numbers("a", vec![]).is_err());
        let items = Items::new(vec![1, 2, 3]).with_numbers("a", vec![0.5, 1.0, -1.0]).unwrap();
        assert!(items.indices("a").unwrap_err().text().contains("0.5"));
    }
}
