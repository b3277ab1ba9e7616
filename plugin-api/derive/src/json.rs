//! Writing JSON text.

use std::fmt::Write;

/// Text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a String takes everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A finite number as JSON; one of a `float` setting keeps its point.
pub(crate) fn number(value: f64, float: bool) -> String {
    if float { format!("{value:?}") } else { format!("{value}") }
}
