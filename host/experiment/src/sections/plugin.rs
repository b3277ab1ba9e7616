//! The part of a section that belongs to a plugin: kept as written until its schema is known.

use std::sync::OnceLock;

use serde_json::{Map, Value as Json};

use crate::check::Checked;
use crate::error::Error;
use crate::schema::Schema;
use crate::source::Source;
use crate::table::Table;
use crate::write;

/// Unchecked settings of a plugin and, later, the schema that they passed.
#[derive(Clone, Debug)]
pub(crate) struct PluginTable {
    /// Whose settings these are, for errors.
    what: String,
    /// Keys of the same section that the host reads.
    host_keys: &'static [&'static str],
    table: Table,
    schema: OnceLock<Schema>,
}

/// One line of a resolved file: key, value in TOML's syntax if it has one, source.
pub(crate) type Line = (String, Option<String>, Source);

impl PluginTable {
    pub(crate) fn new(what: String, section: &Table, host_keys: &'static [&'static str]) -> Self {
        Self { what, host_keys, table: section.without(host_keys), schema: OnceLock::new() }
    }

    pub(crate) fn settings(&self, schema: &Schema) -> Result<Map<String, Json>, Error> {
        if let Some(field) = schema.fields.iter().find(|field| self.host_keys.contains(&field.name.as_str())) {
            let reason = format!("`{}` is the host's own key in this section; choose another name", field.name);
            return Err(Error::Schema { what: self.what.clone(), reason });
        }
        let values = self.check(schema)?.values;
        self.schema.get_or_init(|| schema.clone());
        Ok(values)
    }

    fn check(&self, schema: &Schema) -> Result<Checked, Error> {
        schema.check_with_sources(&self.what, &self.table, self.host_keys)
    }

    /// The checked form, once a schema has been passed.
    fn checked(&self) -> Option<Checked> {
        self.schema.get().and_then(|schema| self.check(schema).ok())
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        match self.checked() {
            Some(checked) => lines(&checked),
            None => self
                .table
                .entries
                .iter()
                .map(|(name, node)| (name.clone(), Some(write::node(node)), node.source.clone()))
                .collect(),
        }
    }

    /// The settings as JSON; texts of TOML as long as they are unchecked.
    pub(crate) fn json(&self) -> Json {
        match self.checked() {
            Some(checked) => Json::Object(checked.values),
            None => {
                self.table.entries.iter().map(|(name, node)| (name.clone(), Json::from(write::node(node)))).collect()
            }
        }
    }
}

/// The lines of a checked section.
pub(crate) fn lines(checked: &Checked) -> Vec<Line> {
    checked.values.iter().map(|(name, value)| (name.clone(), write::json(value), checked.source(name))).collect()
}
