//! What the data says of its labels, for instances under construction.

use serde_json::Value;

use crate::error::{Error, Result};

/// The names of the labels.
pub(crate) fn names(modality: &str, json: &str) -> Result<Vec<String>> {
    let facts = facts(modality, json)?;
    let names: Vec<String> = match facts.get("labels").and_then(Value::as_array) {
        Some(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => {
            return Err(Error::new("plugin/labels", format!("the data of `{modality}` has no labels"))
                .help(format!("say where they stand: `label_field` in [data.{modality}]")));
        }
    };
    if names.is_empty() {
        return Err(Error::new("plugin/labels", format!("the labels of `{modality}` are numbers, not names"))
            .help("choose an objective for numbers, or `label_kind = \"class\"`"));
    }
    Ok(names)
}

/// What a label is.
pub(crate) fn kind(modality: &str, json: &str) -> Result<Option<String>> {
    Ok(facts(modality, json)?.get("label_kind").and_then(Value::as_str).map(str::to_owned))
}

fn facts(modality: &str, json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|error| {
        Error::new("host/labels", format!("the host's description of `{modality}` is not JSON: {error}"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn labels_are_read_or_their_absence_told() {
        let json = r#"{"size":9,"label_kind":"class","labels":["no","yes"]}"#;
        assert_eq!(names("text", json).unwrap(), ["no", "yes"]);
        assert_eq!(kind("text", json).unwrap().as_deref(), Some("class"));
        for without in [r#"{"size":9}"#, r#"{"labels":null,"label_kind":null}"#] {
            assert_eq!(names("text", without).unwrap_err().code(), "plugin/labels");
            assert_eq!(kind("text", without).unwrap(), None);
        }
        let numbers = names("text", r#"{"label_kind":"score","labels":[]}"#).unwrap_err();
        assert!(numbers.text().contains("numbers"), "{}", numbers.text());
    }
}
