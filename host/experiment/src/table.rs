//! TOML values that know their place.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use toml::de::{DeArray, DeTable, DeValue};

use crate::error::Error;
use crate::source::Source;

/// A section of a file, its keys in the order in which they stand, each with its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub(crate) entries: Vec<(String, Node)>,
    pub(crate) source: Source,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) source: Source,
}

/// What TOML can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Bool(bool),
    Integer(i64),
    /// An integer past 64 bits, as written: refused by whoever asks for a number, with the key's name.
    Huge(String),
    Float(f64),
    Text(String),
    Moment(String),
    List(Vec<Node>),
    Table(Table),
}

impl Table {
    /// A section without keys: every value is its default.
    pub fn empty() -> Self {
        Self::absent(Source::Default)
    }

    /// The top level of a TOML text; `path` is the name that places carry, nothing is read from it.
    ///
    /// # Errors
    /// [`Error::Syntax`] when the text is not TOML or gives a key twice.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let reader = Reader { text, lines: line_starts(text), path: path.into() };
        let parsed = DeTable::parse(text).map_err(|error| reader.syntax(&error))?;
        Ok(reader.table(parsed.get_ref(), Source::file_only(&reader.path)))
    }

    /// Its values as JSON, for what is read without a schema; integers past 64 bits and dates become texts.
    pub fn to_json(&self) -> Map<String, Json> {
        self.entries.iter().map(|(key, node)| (key.clone(), node.to_json())).collect()
    }

    /// The section that a JSON object describes, keys that are null left out; `source` is the file that it comes from.
    pub fn from_json(values: &Map<String, Json>, source: &Path) -> Self {
        let source = Source::file_only(&source.into());
        let entries = values.iter().filter_map(|(key, value)| Some((key.clone(), Node::of_json(value, &source)?)));
        Self { entries: entries.collect(), source }
    }

    /// The section below a key, if there is one.
    pub fn section(&self, name: &str) -> Option<&Self> {
        match self.get(name) {
            Some(Node { content: Content::Table(table), .. }) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn absent(source: Source) -> Self {
        Self { entries: Vec::new(), source }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    pub(crate) fn set(&mut self, name: &str, node: Node) {
        match self.get_mut(name) {
            Some(old) => *old = node,
            None => self.entries.push((name.to_owned(), node)),
        }
    }

    /// The same section with the keys of `names` alone.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let entries = self.entries.iter().filter(|(key, _)| names.contains(&key.as_str())).cloned().collect();
        Self { entries, source: self.source.clone() }
    }

    /// The same section without the keys of `names`.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let entries = self.entries.iter().filter(|(key, _)| !names.contains(&key.as_str())).cloned().collect();
        Self { entries, source: self.source.clone() }
    }
}

impl Node {
    fn to_json(&self) -> Json {
        match &self.content {
            Content::Bool(value) => Json::from(*value),
            Content::Integer(value) => Json::from(*value),
            Content::Float(value) => Json::from(*value),
            Content::Huge(text) | Content::Text(text) | Content::Moment(text) => Json::from(text.as_str()),
            Content::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Content::Table(table) => Json::Object(table.to_json()),
        }
    }

    fn of_json(value: &Json, source: &Source) -> Option<Self> {
        let content = match value {
            Json::Null => return None,
            Json::Bool(value) => Content::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Content::Integer(whole),
                (None, Some(value)) if number.is_f64() => Content::Float(value),
                _ => Content::Huge(number.to_string()),
            },
            Json::String(text) => Content::Text(text.clone()),
            Json::Array(items) => Content::List(items.iter().filter_map(|item| Self::of_json(item, source)).collect()),
            Json::Object(map) => {
                let entries = map.iter().filter_map(|(key, value)| Some((key.clone(), Self::of_json(value, source)?)));
                Content::Table(Table { entries: entries.collect(), source: source.clone() })
            }
        };
        Some(Self { content, source: source.clone() })
    }

    /// The value in words, for an error: `the text "0.3"`, `the number 2.5`, `a section`.
    pub(crate) fn in_words(&self) -> String {
        match &self.content {
            Content::Bool(value) => format!("`{value}`"),
            Content::Integer(value) => format!("the whole number {value}"),
            Content::Huge(digits) => format!("the whole number {}", excerpt(digits)),
            Content::Float(value) => format!("the number {value:?}"),
            Content::Text(text) => format!("the text \"{}\"", excerpt(text)),
            Content::Moment(text) => format!("the date {text}"),
            Content::List(nodes) if nodes.iter().any(|node| matches!(node.content, Content::Table(_))) => {
                "a list of sections".into()
            }
            Content::List(_) => "a list".into(),
            Content::Table(_) => "a section".into(),
        }
    }
}

/// A text on one line: line breaks and other control letters escaped, everything else as it is.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { out.extend(letter.escape_default()) } else { out.push(letter) }
    }
    out
}

/// At most 40 letters of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let end = text.char_indices().nth(40).map(|(at, _)| at);
    visible(&text[..end.unwrap_or(text.len())]) + if end.is_some() { "…" } else { "" }
}

/// A single value in TOML's own syntax; none if the text is no value.
pub(crate) fn parse_value(text: &str, source: &Source) -> Option<Node> {
    let parsed = DeValue::parse(text).ok()?;
    let reader = Reader { text, lines: Vec::new(), path: Path::new("").into() };
    Some(reader.node(parsed.get_ref(), source, Some(source)))
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<usize>,
    path: Arc<Path>,
}

impl Reader<'_> {
    fn at(&self, offset: usize) -> Source {
        let line = self.lines.partition_point(|&start| start <= offset);
        Source::File { path: Arc::clone(&self.path), line: Some(line.max(1)) }
    }

    fn syntax(&self, error: &toml::de::Error) -> Error {
        let offset = error.span().map_or(0, |span| span.start).min(self.text.len());
        let start = self.lines[self.lines.partition_point(|&start| start <= offset).max(1) - 1];
        let column = String::from_utf8_lossy(&self.text.as_bytes()[start..offset]).chars().count() + 1;
        let message = error.message().replace('\n', " ");
        let line = excerpt(self.text[start..].lines().next().unwrap_or_default().trim());
        Error::Syntax { message, line, column, place: Box::new(self.at(offset)) }
    }

    fn table(&self, table: &DeTable<'_>, source: Source) -> Table {
        self.table_with(table, source, None)
    }

    /// `fixed` is the source of everything inside where there is no file.
    fn table_with(&self, table: &DeTable<'_>, source: Source, fixed: Option<&Source>) -> Table {
        let mut rows: Vec<_> = table.iter().collect();
        // The parser sorts by name; people read in the order they wrote.
        rows.sort_by_key(|(key, _)| key.span().start);
        let entries = rows
            .into_iter()
            .map(|(key, value)| {
                let source = fixed.cloned().unwrap_or_else(|| self.at(key.span().start));
                (key.get_ref().to_string(), self.node(value.get_ref(), &source, fixed))
            })
            .collect();
        Table { entries, source }
    }

    fn node(&self, value: &DeValue<'_>, source: &Source, fixed: Option<&Source>) -> Node {
        let content = match value {
            DeValue::String(text) => Content::Text(text.to_string()),
            DeValue::Boolean(value) => Content::Bool(*value),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or_else(|_| Content::Huge(digits.to_string()), Content::Integer),
            DeValue::Float(digits) => Content::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Datetime(moment) => Content::Moment(moment.to_string()),
            DeValue::Array(list) => Content::List(self.list(list, fixed)),
            DeValue::Table(table) => Content::Table(self.table_with(table, source.clone(), fixed)),
        };
        Node { content, source: source.clone() }
    }

    fn list(&self, list: &DeArray<'_>, fixed: Option<&Source>) -> Vec<Node> {
        let source_of = |start: usize| fixed.cloned().unwrap_or_else(|| self.at(start));
        list.iter().map(|item| self.node(item.get_ref(), &source_of(item.span().start), fixed)).collect()
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}
