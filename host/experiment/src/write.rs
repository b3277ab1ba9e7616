//! Writing TOML: keys, texts, numbers.

use serde_json::{Map, Value as Json};

use crate::table::{Content, Node};

/// A key, in quotation marks where TOML wants them.
pub(crate) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { text(name) }
}

/// A text on one line, in double quotation marks.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            control if control.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out + "\""
}

/// The shortest number that reads back as the same bits.
fn float(value: f64) -> String {
    if value.is_nan() { "nan".into() } else { format!("{value:?}") }
}

/// A checked value; none for null, which TOML cannot say.
pub(crate) fn json(value: &Json) -> Option<String> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => value.to_string(),
        Json::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or(f64::NAN)),
        Json::Number(number) => number.to_string(),
        Json::String(value) => text(value),
        Json::Array(items) => format!("[{}]", items.iter().filter_map(json).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let rows: Vec<_> =
                map.iter().filter_map(|(name, value)| Some(format!("{} = {}", key(name), json(value)?))).collect();
            format!("{{ {} }}", rows.join(", "))
        }
    })
}

/// A TOML text with these keys and values; those that are null are left out, objects become sections behind the rest.
pub fn toml(values: &Map<String, Json>) -> String {
    let mut out = String::new();
    for (name, value) in values.iter().filter(|(_, value)| !value.is_object()) {
        if let Some(value) = json(value) {
            out.push_str(&format!("{} = {value}\n", key(name)));
        }
    }
    for (name, value) in values {
        if let Some(section) = value.as_object() {
            out.push_str(&format!("\n[{}]\n{}", key(name), toml(section)));
        }
    }
    out
}

/// A value that nobody has checked yet, as it stands.
pub(crate) fn node(node: &Node) -> String {
    match &node.content {
        Content::Bool(value) => value.to_string(),
        Content::Integer(value) => value.to_string(),
        Content::Huge(digits) | Content::Moment(digits) => digits.clone(),
        Content::Float(value) => float(*value),
        Content::Text(value) => text(value),
        Content::List(items) => format!("[{}]", items.iter().map(self::node).collect::<Vec<_>>().join(", ")),
        Content::Table(table) => {
            let rows: Vec<_> =
                table.entries.iter().map(|(name, value)| format!("{} = {}", key(name), self::node(value))).collect();
            format!("{{ {} }}", rows.join(", "))
        }
    }
}
