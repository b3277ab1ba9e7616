//! `items.jsonl`: what a measurement found for each sample, so that two runs can be compared sample by sample.
//!
//! One JSON object a line, `{"sample": 17, "prediction": 2}`, in the order of the samples; numbers as in `metrics.jsonl`. The
//! file is replaced whole by each measurement, and holds nothing that depends on the clock.

use std::path::Path;

use serde_json::{Map, Value};

use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::metrics::{number_from_json, number_to_json};

/// What a sample has under one name.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemValue {
    /// One number.
    Number(f64),
    /// Some numbers.
    List(Vec<f64>),
}

/// One line: what was found for one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemRow {
    /// The sample's identity.
    pub sample: u64,
    /// Names and values, in the order they are written.
    pub values: Vec<(String, ItemValue)>,
}

impl ItemRow {
    /// The value called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ItemValue> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("sample".into(), self.sample.into());
        for (name, value) in &self.values {
            let value = match value {
                ItemValue::Number(number) => number_to_json(*number),
                ItemValue::List(list) => list.iter().copied().map(number_to_json).collect(),
            };
            object.insert(name.clone(), value);
        }
        Value::Object(object)
    }

    fn parse(line: &str) -> Result<Self, String> {
        let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let sample = object.get("sample").and_then(Value::as_u64).ok_or("it has no `sample`")?;
        let value = |value: &Value| match value {
            Value::Array(list) => list.iter().map(number_from_json).collect::<Option<_>>().map(ItemValue::List),
            other => number_from_json(other).map(ItemValue::Number),
        };
        let values = object
            .iter()
            .filter(|(key, _)| *key != "sample")
            .map(|(key, found)| {
                Ok((key.clone(), value(found).ok_or_else(|| format!("`{key}` holds something else than numbers"))?))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { sample, values })
    }
}

/// Replaces the file at `path` by these rows.
///
/// # Errors
/// [`Error::Io`].
pub fn write_items(path: &Path, rows: &[ItemRow]) -> Result<()> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&row.to_json().to_string());
        text.push('\n');
    }
    write_atomic(path, text.as_bytes())
}

/// Reads a file of items.
///
/// # Errors
/// [`Error::Io`], or [`Error::Line`] for a damaged line.
pub fn read_items(path: &Path) -> Result<Vec<ItemRow>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let row = |(number, line): (usize, &str)| {
        ItemRow::parse(line).map_err(|reason| Error::Line { path: path.into(), line: number + 1, reason })
    };
    text.lines().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn items_read_back_and_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        let row = |sample, value: f64| ItemRow {
            sample,
            values: vec![
                ("prediction".into(), ItemValue::Number(value)),
                ("scores".into(), ItemValue::List(vec![0.1, 2.0])),
            ],
        };
        write_items(&path, &[row(1, 0.0), row(2, 1.0), row(1 << 60, 1.0 / 3.0)]).unwrap();
        let rows = [row(7, 2.0), row(1 << 60, f64::NAN)];
        write_items(&path, &rows).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().next().unwrap(), r#"{"sample":7,"prediction":2,"scores":[0.1,2]}"#);
        let back = read_items(&path).unwrap();
        assert_eq!(back[0], rows[0]);
        assert_eq!(back[1].sample, 1 << 60);
        assert!(matches!(back[1].get("prediction"), Some(ItemValue::Number(value)) if value.is_nan()));
        std::fs::write(&path, "{\"sample\":1}\n{\"a\":2}\n").unwrap();
        assert!(read_items(&path).unwrap_err().to_string().starts_with("line 2 of"));
    }
}
