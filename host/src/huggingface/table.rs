//! What a family says of the names in Hugging Face files.

use serde::Deserialize;

use crate::error::{Error, Result};

/// One of several equal parts of our tensor along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub struct Part {
    /// The axis of our tensor.
    pub axis: usize,
    /// The part, from 0.
    pub part: usize,
    /// Parts in all.
    pub of: usize,
}

/// Another order of axes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Permuted {
    /// The shape of theirs.
    pub shape: Vec<usize>,
    /// Theirs' axes in our order; all after the first are joined.
    pub order: Vec<usize>,
}

/// A weight and its name in their files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NameRow {
    /// Below the model's scope; of a head, behind its kind.
    pub own: String,
    /// In their files.
    pub theirs: String,
    /// Theirs is transposed.
    pub transpose: bool,
    /// Ours is this part of theirs.
    pub split: Option<Part>,
    /// Theirs is this part of ours.
    pub fills: Option<Part>,
    /// Theirs has other axes.
    #[serde(default)]
    pub permuted: Option<Permuted>,
}

/// All about the names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NameTable {
    /// What names of the bare model lack in its own files.
    pub prefix: String,
    /// The rows.
    pub names: Vec<NameRow>,
    /// (theirs, of theirs): the first is a copy of the second.
    pub copies: Vec<(String, String)>,
    /// Theirs that are zero and not ours.
    pub zeros: Vec<(String, Vec<usize>)>,
    /// (theirs, of theirs): the first is passed over and written as a copy of the second.
    #[serde(default)]
    pub unused: Vec<(String, String)>,
    /// Theirs that always have these values and are not ours.
    #[serde(default)]
    pub constants: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Globs of keys that are no weights.
    pub ignored: Vec<String>,
}

impl NameTable {
    /// From the family's JSON.
    ///
    /// # Errors
    /// When it is not such a table, or its parts make no sense.
    pub fn from_json(family: &str, json: &str) -> Result<Self> {
        let fault = |what: String| Error::new("plugin/names", format!("the Hugging Face table of `{family}` {what}"));
        let table: Self = serde_json::from_str(json).map_err(|error| fault(format!("is broken: {error}")))?;
        for row in &table.names {
            let parts = [row.split, row.fills].into_iter().flatten();
            if parts.clone().count() == 2 {
                return Err(fault(format!("both splits and fills `{}`", row.own)));
            }
            if let Some(to) = &row.permuted {
                let mut axes = to.order.clone();
                axes.sort_unstable();
                let is_order = axes.iter().copied().eq(0..to.shape.len()) && !axes.is_empty();
                if !is_order || row.transpose || parts.clone().count() > 0 {
                    return Err(fault(format!("permutes `{}` in no way that is known", row.own)));
                }
            }
            if let Some(part) = parts.into_iter().find(|part| part.part >= part.of) {
                return Err(fault(format!("gives `{}` part {} of {}", row.own, part.part, part.of)));
            }
        }
        let broken = table.constants.iter().find(|(_, shape, values)| shape.iter().product::<usize>() != values.len());
        if let Some((name, shape, values)) = broken {
            return Err(fault(format!("gives {} values for `{name}` of shape {shape:?}", values.len())));
        }
        Ok(table)
    }

    /// Their name in files of the bare model.
    #[must_use]
    pub fn bare<'a>(&self, theirs: &'a str) -> &'a str {
        theirs.strip_prefix(&self.prefix).unwrap_or(theirs)
    }

    /// Whether a key of a file is no weight.
    #[must_use]
    pub fn ignores(&self, key: &str) -> bool {
        let full = format!("{}{key}", self.prefix);
        let unused = self.unused.iter().map(|(theirs, _)| theirs);
        self.ignored.iter().chain(unused).any(|glob| matches(glob, key) || matches(glob, &full))
    }
}

/// Whether `name` is what `glob` describes; `*` stands for any letters.
fn matches(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(place, _)| place).chain([rest.len()]).any(|place| matches(after, &rest[place..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn globs_stand_for_any_letters() {
        for (glob, name, expected) in [
            ("*.position_ids", "bert.embeddings.position_ids", true),
            ("*.position_ids", "position_ids", false),
            ("h.*.attn.bias", "h.11.attn.bias", true),
            ("h.*.attn.bias", "h.11.attn.c_attn.bias", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn an_order_of_axes_that_is_none_is_refused() {
        let row = r#"{"own":"a","theirs":"b","transpose":false,"split":null,"fills":null,"permuted":{"shape":[2,3],"order":[0,2]}}"#;
        let json = format!(r#"{{"prefix":"","names":[{row}],"copies":[],"zeros":[],"ignored":[]}}"#);
        let error = NameTable::from_json("toy", &json).unwrap_err();
        assert!(error.text.contains("permutes `a` in no way"), "{error}");
        let json = r#"{"prefix":"","names":[],"copies":[],"zeros":[],"constants":[["c",[2],[1.0]]],"ignored":[]}"#;
        let error = NameTable::from_json("toy", json).unwrap_err();
        assert!(error.text.contains("1 values for `c` of shape [2]"), "{error}");
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        let row = r#"{"own":"a","theirs":"b","transpose":false,"split":{"axis":0,"part":3,"of":3},"fills":null}"#;
        let json = format!(r#"{{"prefix":"","names":[{row}],"copies":[],"zeros":[],"ignored":[]}}"#);
        let error = NameTable::from_json("toy", &json).unwrap_err();
        assert!(error.text.contains("`toy` gives `a` part 3 of 3"), "{error}");
    }
}
