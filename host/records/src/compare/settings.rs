//! Which settings differ between resolved experiments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use super::RunData;
use crate::error::{Error, Result};

/// A setting that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingDifference {
    /// Its dotted key; members of lists by number: `evaluate.0.name`.
    pub key: String,
    /// Its value in each run as TOML writes it; none where the run does not have it.
    pub values: Vec<Option<String>>,
}

/// Every value of a TOML text under its dotted key.
pub(crate) fn flatten(text: &str, path: &Path) -> Result<BTreeMap<String, String>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| Error::Format {
        path: path.into(),
        format: "TOML",
        reason: error.to_string(),
    })?;
    let mut flat = BTreeMap::new();
    put(&mut flat, "", &Value::Table(table));
    Ok(flat)
}

fn put(flat: &mut BTreeMap<String, String>, key: &str, value: &Value) {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(name, value)| put(flat, &below(name), value)),
        // A list of plain values is one setting; a list of tables is many.
        Value::Array(items) if items.iter().any(Value::is_table) => {
            items.iter().enumerate().for_each(|(index, value)| put(flat, &below(&index.to_string()), value));
        }
        plain => {
            flat.insert(key.to_owned(), plain.to_string());
        }
    }
}

pub(crate) fn differences(runs: &[RunData]) -> Vec<SettingDifference> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    keys.into_iter()
        .map(|key| SettingDifference {
            key: key.clone(),
            values: runs.iter().map(|run| run.settings.get(key).cloned()).collect(),
        })
        .filter(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_value_has_a_dotted_key() {
        let text = "[run]\nseed = 1 # from the file\nname = \"a\"\n[model.encoder]\nsizes = [1, 2]\n[[evaluate]]\nname = \"x\"\n";
        let flat = flatten(text, Path::new("experiment.toml")).unwrap();
        let pairs: Vec<(&str, &str)> = flat.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [("evaluate.0.name", "\"x\""), ("model.encoder.sizes", "[1, 2]"), ("run.name", "\"a\""), ("run.seed", "1")]
        );
    }

    #[test]
    fn a_broken_file_is_named() {
        let error = flatten("[run\n", Path::new("there/experiment.toml")).unwrap_err();
        assert!(error.to_string().contains("there/experiment.toml"), "{error}");
    }
}
