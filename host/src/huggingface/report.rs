//! What became of every key.

use records::Dtype;
use serde_json::{Value as Json, json};

/// What a key is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Weights of ours, whole or in part.
    Weight(Vec<String>),
    /// A copy of another key.
    Copy(String),
    /// Zeros that ours computes without.
    Zero,
    /// What ours computes itself.
    Constant,
    /// No weight at all.
    Ignored,
}

/// One key of their files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// Its file.
    pub file: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is to us.
    pub usage: Use,
}

impl KeyReport {
    /// Whether it gives our tensor `own`, or a part of it.
    pub(super) fn gives(&self, own: &str) -> bool {
        matches!(&self.usage, Use::Weight(all) if all.iter().any(|name| name == own))
    }

    /// As `import.json` holds it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut row = json!({
            "key": self.key,
            "file": self.file,
            "dtype": format!("{:?}", self.dtype).to_lowercase(),
            "shape": self.shape,
        });
        match &self.usage {
            Use::Weight(own) => {
                row["use"] = json!("weight");
                row["own"] = json!(own);
            }
            Use::Copy(of) => {
                row["use"] = json!("copy");
                row["of"] = json!(of);
            }
            Use::Zero => row["use"] = json!("zero"),
            Use::Constant => row["use"] = json!("constant"),
            Use::Ignored => row["use"] = json!("ignored"),
        }
        row
    }
}

/// `199 weights, 2 copies, 1 ignored`.
#[must_use]
pub(super) fn counts(keys: &[KeyReport]) -> String {
    let count = |wanted: fn(&Use) -> bool| keys.iter().filter(|key| wanted(&key.usage)).count();
    let counts = [
        (count(|usage| matches!(usage, Use::Weight(_))), "weights"),
        (count(|usage| matches!(usage, Use::Copy(_))), "copies"),
        (count(|usage| matches!(usage, Use::Zero)), "zeros"),
        (count(|usage| matches!(usage, Use::Constant)), "computed"),
        (count(|usage| matches!(usage, Use::Ignored)), "no weights"),
    ];
    let parts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    parts.collect::<Vec<_>>().join(", ")
}
