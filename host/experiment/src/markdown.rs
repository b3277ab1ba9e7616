//! The reference page, written from the schemas.

use serde_json::Value as Json;

use crate::schema::{Field, Schema};
use crate::sections;
use crate::write;

impl Schema {
    /// A Markdown table of the settings: key, type, default, what is allowed, what it is.
    pub fn markdown(&self) -> String {
        if self.fields.is_empty() {
            return "No settings.\n".into();
        }
        let mut out = String::from("| key | type | default | allowed | what it is |\n|---|---|---|---|---|\n");
        for field in &self.fields {
            let kind = field.kind.in_words();
            let kind = kind.strip_prefix("a ").unwrap_or(kind);
            let (name, default, allowed, doc) = (&field.name, default(field), allowed(field), cell(&field.doc));
            out.push_str(&format!("| `{name}` | {kind} | {default} | {allowed} | {doc} |\n"));
        }
        out
    }
}

/// The reference page of the experiment file: every section and key of the host, from the same schemas that check files.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    for section in sections::all() {
        out.push_str(&format!("\n## `{}`\n\n{}\n\n{}", section.header, section.intro, section.schema.markdown()));
    }
    out
}

const INTRODUCTION: &str = "\
# The experiment file

One TOML file describes one run: `lacuna run FILE`. It has no includes, and a key that nobody reads is refused with the nearest
known one. `lacuna run FILE section.key=value …` overrides single values: the value is written as TOML writes it, and a bare word
counts as a text (`run.seed=3`, `model.encoder.width=64`, `optimizer.use=sgd`, `data.text.files='[\"a.txt\"]'`). Lists of sections go
by number: `evaluate.0.every_steps=50`.

The run folder keeps the resolved file: every value, with a remark that tells whether it is a default, a line of the file or from
the command line. It is an experiment file itself.

Numbers are finite, whole numbers fit 64 bits; a whole number may stand where a number is asked for. Several
`[[objective]]` sections are part of the format but not in this host yet. Grids, stages and seeds stand in files of their own:
[studies.md](studies.md).
";

fn default(field: &Field) -> String {
    match (&field.default, field.optional) {
        (Some(value), _) => code(value),
        (None, true) => "not set".into(),
        (None, false) => "**required**".into(),
    }
}

fn allowed(field: &Field) -> String {
    if field.choices.is_empty() {
        return field.range_in_words();
    }
    field.choices.iter().map(|choice| format!("`{}`", cell(choice))).collect::<Vec<_>>().join(", ")
}

fn code(value: &Json) -> String {
    write::json(value).map_or_else(String::new, |text| format!("`{}`", cell(&text)))
}

/// A text that stays within its cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
