//! One JSON object per line.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::label::{LabelKind, Record};
use super::text::Lines;
use super::{Flow, Outlet, SourceSettings};
use crate::Error;

pub(super) fn read(reader: &mut dyn BufRead, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let kind = settings.label_kind.filter(|_| settings.label_field.is_some());
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next(outlet)? {
        let number = line.number;
        if line.text.trim().is_empty() {
            continue;
        }
        let mut record: Map<String, Value> = serde_json::from_str(line.text)
            .map_err(|error| outlet.damaged(number, format!("no JSON object: {error}")))?;
        if kind == Some(LabelKind::Tags) {
            tags(number, &record, settings, outlet)?;
            continue;
        }
        let label = match (&settings.label_field, kind) {
            (Some(field), Some(_)) => Some(label(number, &record, field, outlet)?),
            _ => None,
        };
        let second = match &settings.second_field {
            Some(field) => Some(text(number, &mut record, field, outlet)?.unwrap_or_default()),
            None => None,
        };
        if let Some(text) = text(number, &mut record, &settings.field, outlet)? {
            outlet.record(number, Record { text, second, label }, kind)?;
        }
    }
    Ok(())
}

/// A field that holds text; `None` for null.
fn text(
    number: u64,
    record: &mut Map<String, Value>,
    field: &str,
    outlet: &Outlet<'_>,
) -> Result<Option<String>, Error> {
    match record.get_mut(field).map(Value::take) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null) => Ok(None),
        Some(other) => Err(outlet.not_text(number, field, kind_of(&other))),
        None => Err(missing(number, record, field, outlet)),
    }
}

/// A label as a text: numbers and truth values as JSON writes them.
fn label(number: u64, record: &Map<String, Value>, field: &str, outlet: &Outlet<'_>) -> Result<String, Error> {
    match record.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(other) => Err(outlet.not_text(number, field, kind_of(other))),
        None => Err(missing(number, record, field, outlet)),
    }
}

/// A list of words and one of tags.
fn tags(number: u64, record: &Map<String, Value>, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let list = |field: &str| -> Result<Vec<String>, Error> {
        let Some(value) = record.get(field) else { return Err(missing(number, record, field, outlet)) };
        let Value::Array(items) = value else {
            return Err(outlet.not_text(number, field, format!("{}, not a list for each word", kind_of(value))));
        };
        let text = |item: &Value| match item {
            Value::String(text) => Ok(text.clone()),
            Value::Number(id) => Ok(id.to_string()),
            other => Err(outlet.not_text(number, field, kind_of(other))),
        };
        items.iter().map(text).collect()
    };
    let (words, tags) = (list(&settings.field)?, list(settings.label_field.as_deref().unwrap_or_default())?);
    let (words, tags): (Vec<_>, Vec<_>) =
        (words.iter().map(String::as_str).collect(), tags.iter().map(String::as_str).collect());
    outlet.parallel(number, &words, &tags)
}

fn missing(number: u64, record: &Map<String, Value>, field: &str, outlet: &Outlet<'_>) -> Error {
    outlet.missing(number, field, record.keys().filter(|name| *name != field).cloned().collect())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
