//! One JSON object per line.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::text::Lines;
use super::{Flow, Outlet};

pub(super) fn read(reader: &mut dyn BufRead, field: &str, outlet: &mut Outlet<'_>) -> Flow {
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next(outlet)? {
        let number = line.number;
        if line.text.trim().is_empty() {
            continue;
        }
        let mut record: Map<String, Value> = serde_json::from_str(line.text)
            .map_err(|error| outlet.damaged(number, format!("no JSON object: {error}")))?;
        match record.remove(field) {
            Some(Value::String(text)) => outlet.give(number, text)?,
            Some(Value::Null) => {}
            Some(other) => return Err(outlet.not_text(number, field, kind(&other)).into()),
            None => {
                let known = record.into_iter().map(|(name, _)| name).collect();
                return Err(outlet.missing(number, field, known).into());
            }
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
