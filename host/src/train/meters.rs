//! Means between two lines of the log, kept exactly so that a run stopped between them goes on as if it had not stopped.

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// Sums and counts by name, in the order they first came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meters {
    sums: Vec<(String, f64, f64)>,
}

impl Meters {
    /// Adds `sum` over `count` to the meter `name`.
    pub fn add(&mut self, name: &str, sum: f64, count: f64) {
        match self.sums.iter_mut().find(|(own, _, _)| own == name) {
            Some((_, own_sum, own_count)) => {
                *own_sum += sum;
                *own_count += count;
            }
            None => self.sums.push((name.to_owned(), sum, count)),
        }
    }

    /// The mean of a meter; `None` where nothing was counted.
    #[must_use]
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.sums.iter().find(|(own, _, count)| own == name && *count > 0.0).map(|(_, sum, count)| sum / count)
    }

    /// The means of all meters that counted something, in order; the meters start anew.
    pub fn take(&mut self) -> Vec<(String, f64)> {
        let sums = std::mem::take(&mut self.sums);
        sums.into_iter().filter(|(_, _, count)| *count > 0.0).map(|(name, sum, count)| (name, sum / count)).collect()
    }

    /// The state, with the bits of each number.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.sums.iter().map(|(name, sum, count)| json!([name, sum.to_bits(), count.to_bits()])).collect()
    }

    /// The state back.
    ///
    /// # Errors
    /// When it was not written by [`Meters::to_json`].
    pub fn from_json(json: &Json) -> Result<Self> {
        let sums: Option<Vec<_>> = json.as_array().and_then(|rows| {
            let row = |row: &Json| {
                let number = |index: usize| row.get(index).and_then(Json::as_u64).map(f64::from_bits);
                Some((row.get(0)?.as_str()?.to_owned(), number(1)?, number(2)?))
            };
            rows.iter().map(row).collect()
        });
        sums.map(|sums| Self { sums })
            .ok_or_else(|| Error::new("run/checkpoint", "the checkpoint's meters cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn means_are_weighted_and_survive_json_bit_for_bit() {
        let mut meters = Meters::default();
        meters.add("loss", 0.1 + 0.2, 3.0);
        meters.add("accuracy", 1.0, 2.0);
        meters.add("loss", 1.0 / 3.0, 1.0);
        let mut back = Meters::from_json(&serde_json::from_str(&meters.to_json().to_string()).unwrap()).unwrap();
        assert_eq!(meters, back);
        assert_eq!(back.mean("loss"), Some((0.1 + 0.2 + 1.0 / 3.0) / 4.0));
        assert_eq!(back.take().len(), 2);
        assert!(back.take().is_empty());
        assert!(Meters::from_json(&serde_json::json!([["loss", "x"]])).is_err());
    }

    #[test]
    fn a_meter_without_a_count_is_not_reported() {
        let mut meters = Meters::default();
        meters.add("loss", 0.0, 0.0);
        assert_eq!(meters.mean("loss"), None);
        assert!(meters.take().is_empty());
    }
}
