//! Checking a section against its schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::schema::{Field, Kind, Schema};
use crate::source::Source;
use crate::suggest::suggest;
use crate::table::{Content, Node, Table, excerpt};

/// A section that passed: every key of the schema with its value, and where each came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Key to value, in the schema's order; null for an optional key left out.
    pub values: Map<String, Json>,
    /// Key to source.
    pub sources: BTreeMap<String, Source>,
}

impl Schema {
    /// Every value of the schema: the table's where it has one, the default elsewhere. `what` says in errors whose settings
    /// these are: ``objective `mlm` ``.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`], [`Error::Type`], [`Error::Range`], [`Error::Choice`], [`Error::Missing`], each with its
    /// place: unknown keys first, then the schema's order.
    pub fn check(&self, what: &str, table: &Table) -> Result<Map<String, Json>, Error> {
        self.check_with_sources(what, table, &[]).map(|checked| checked.values)
    }

    /// As [`Schema::check`], with the source of every value. Keys of `beside` are known to somebody else: they are not
    /// checked, and suggested where a misspelt key is near one.
    ///
    /// # Errors
    /// As [`Schema::check`].
    pub fn check_with_sources(&self, what: &str, table: &Table, beside: &[&str]) -> Result<Checked, Error> {
        for (name, node) in &table.entries {
            if self.field(name).is_none() && !beside.contains(&name.as_str()) {
                let mut known: Vec<_> = self.fields.iter().map(|field| field.name.clone()).collect();
                // The other keys are no settings of `what`: named only where one of them was meant.
                if suggest(name, known.iter().map(String::as_str)).is_none() {
                    known.extend(suggest(name, beside.iter().copied()).map(str::to_owned));
                }
                let name = excerpt(name);
                return Err(Error::UnknownSetting {
                    what: what.into(),
                    name,
                    known,
                    place: node.source.clone().into(),
                });
            }
        }
        let mut checked = Checked { values: Map::new(), sources: BTreeMap::new() };
        for field in &self.fields {
            let (value, source) = match table.get(&field.name) {
                Some(node) => (field.read(what, node)?, node.source.clone()),
                None => (field.absent(what, &table.source)?, Source::Default),
            };
            checked.values.insert(field.name.clone(), value);
            checked.sources.insert(field.name.clone(), source);
        }
        Ok(checked)
    }
}

impl Checked {
    /// The source of a key; the default for a key that is not there.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.sources.get(name).cloned().unwrap_or(Source::Default)
    }

    /// The text of a key, if it has one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Json::as_str)
    }

    /// The checked values as a struct whose fields are those of the schema.
    pub(crate) fn typed<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_value(Json::Object(self.values.clone()))
            .expect("a section's struct holds what its schema admits; the tests of `sections` compare the two")
    }
}

impl Field {
    fn absent(&self, what: &str, section: &Source) -> Result<Json, Error> {
        match &self.default {
            Some(default) => Ok(default.clone()),
            None if self.optional => Ok(Json::Null),
            None => Err(Error::Missing {
                what: what.into(),
                name: self.name.clone(),
                remedy: format!("add `{} = …`, {}. {}", self.name, self.kind.in_words(), self.doc).trim_end().into(),
                place: section.clone().into(),
            }),
        }
    }

    fn read(&self, what: &str, node: &Node) -> Result<Json, Error> {
        match (self.kind.element(), &node.content) {
            (None, _) => self.read_one(what, self.kind, node),
            (Some(element), Content::List(items)) => {
                items.iter().map(|item| self.read_one(what, element, item)).collect::<Result<_, _>>().map(Json::Array)
            }
            (Some(_), _) => Err(self.mistyped(what, self.kind, node)),
        }
    }

    fn read_one(&self, what: &str, kind: Kind, node: &Node) -> Result<Json, Error> {
        let in_range = |value: f64, shown: String, json: Json| {
            if self.admits(value) { Ok(json) } else { Err(self.outside(what, shown, node)) }
        };
        match (kind, &node.content) {
            (Kind::Bool, Content::Bool(value)) => Ok(Json::Bool(*value)),
            (Kind::Integer, Content::Integer(value)) => in_range(*value as f64, value.to_string(), Json::from(*value)),
            (Kind::Float, Content::Integer(value)) => {
                in_range(*value as f64, value.to_string(), Json::from(*value as f64))
            }
            (Kind::Float, Content::Float(value)) => in_range(*value, format!("{value:?}"), Json::from(*value)),
            (Kind::Integer | Kind::Float, Content::Huge(digits)) => Err(self.outside(what, excerpt(digits), node)),
            (Kind::Text, Content::Text(text)) if self.allows(text) => Ok(Json::from(text.as_str())),
            (Kind::Text, Content::Text(text)) => Err(Error::Choice {
                what: what.into(),
                name: self.name.clone(),
                value: excerpt(text),
                choices: self.choices.clone(),
                place: node.source.clone().into(),
            }),
            _ => Err(self.mistyped(what, kind, node)),
        }
    }

    fn outside(&self, what: &str, value: String, node: &Node) -> Error {
        let allowed = match (self.range_in_words(), self.kind.element().unwrap_or(self.kind)) {
            (words, _) if !words.is_empty() => words,
            (_, Kind::Integer) => format!("from {} to {}", i64::MIN, i64::MAX),
            _ => "a finite number".into(),
        };
        Error::Range { what: what.into(), name: self.name.clone(), value, allowed, place: node.source.clone().into() }
    }

    /// `kind` is the type that the node itself should have had, in a list that of the element.
    fn mistyped(&self, what: &str, kind: Kind, node: &Node) -> Error {
        let expected =
            if kind == self.kind { kind.in_words().into() } else { format!("{} in a list", kind.in_words()) };
        Error::Type {
            what: what.into(),
            name: self.name.clone(),
            expected,
            found: node.in_words(),
            place: node.source.clone().into(),
        }
    }
}
