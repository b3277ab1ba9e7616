//! `[objective]`: what is learned.

use serde_json::{Map, Value as Json};

use crate::check::Checked;
use crate::error::Error;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;
use crate::sections::plugin::PluginTable;
use crate::table::Table;

pub(crate) const HEADER: &str = "[objective]";
pub(crate) const INTRO: &str =
    "What is learned. Every other key is a setting of the objective: `lacuna plugins info OBJECTIVE` lists them.";
const HOST_KEYS: &[&str] = &["use"];

/// The `[objective]` section, or `[evaluator]` in its place: what the plugin is that gets the batches.
#[derive(Clone, Debug)]
pub struct Objective {
    /// The plugin's objective or evaluator: the key `use`.
    pub name: String,
    /// Whether it is an evaluator: the experiment measures and trains nothing.
    pub evaluator: bool,
    /// Of an evaluator, at most so many batches; none means all.
    pub batches: Option<u64>,
    pub(crate) plugin: PluginTable,
}

impl Objective {
    /// Its settings, checked against its schema: every key of the schema, null where an optional one is left
    /// out. The first schema that passes is the one that [`crate::Experiment::resolved`] shows the defaults of.
    ///
    /// # Errors
    /// As [`Schema::check`]; [`Error::Schema`] when the schema takes a key of the host.
    pub fn settings(&self, schema: &Schema) -> Result<Map<String, Json>, Error> {
        self.plugin.settings(schema)
    }
}

pub(crate) fn schema() -> Schema {
    Schema { fields: vec![Field::new("use", Kind::Text, "The objective, by the name of its plugin.")] }
}

/// Reads the section; the host's key is checked, the plugin's are kept.
pub(crate) fn read(section: &Table) -> Result<(Objective, Checked), Error> {
    let checked = schema().check_with_sources(&in_words(HEADER), &section.only(HOST_KEYS), &[])?;
    let name = checked.text("use").unwrap_or_default().to_owned();
    let plugin = PluginTable::new(format!("objective `{name}`"), section, HOST_KEYS);
    Ok((Objective { name, evaluator: false, batches: None, plugin }, checked))
}
