//! `[model.<role>]`: which family fills a role, from which weights.

use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use crate::check::Checked;
use crate::error::Error;
use crate::paths::Places;
use crate::schema::{Field, Kind, Schema};
use crate::sections::plugin::PluginTable;
use crate::table::Table;

pub(crate) const INTRO: &str = "The model that fills a role of the objective (`encoder`, `decoder`, `teacher`, …). Every other key is a \
    setting of the family: `lacuna plugins info FAMILY` lists them.";
const HOST_KEYS: &[&str] = &["family", "weights", "frozen"];

/// A `[model.<role>]` section.
#[derive(Clone, Debug)]
pub struct Model {
    /// The role that it fills, the name in the header.
    pub role: String,
    /// The plugin's model family.
    pub family: String,
    /// Where its weights come from: a `safetensors` file or a run folder, absolute, existing; none means initial ones.
    pub weights: Option<PathBuf>,
    /// Its weights do not learn.
    pub frozen: bool,
    pub(crate) plugin: PluginTable,
}

impl Model {
    /// The family's settings, checked against its schema: every key of the schema, null where an optional one is left out.
    /// The first schema that passes is the one that [`crate::Experiment::resolved`] shows the defaults of.
    ///
    /// # Errors
    /// As [`Schema::check`]; [`Error::Schema`] when the schema takes a key of the host.
    pub fn settings(&self, schema: &Schema) -> Result<Map<String, Json>, Error> {
        self.plugin.settings(schema)
    }
}

pub(crate) fn schema() -> Schema {
    Schema {
        fields: vec![
            Field::new("family", Kind::Text, "The model family, by the name of its plugin."),
            Field::new(
                "weights",
                Kind::Text,
                "Where the weights come from: a `safetensors` file or a run folder; left out, they are initialised.",
            )
            .optional(),
            Field::new("frozen", Kind::Bool, "Keep the weights as they are.").or(false),
        ],
    }
}

/// Reads one role's section; the host's keys are checked, the family's are kept.
pub(crate) fn read(role: &str, section: &Table, places: &Places) -> Result<(Model, Checked), Error> {
    let mut checked = schema().check_with_sources(&format!("`[model.{role}]`"), &section.only(HOST_KEYS), &[])?;
    let weights = match checked.text("weights") {
        Some(written) => Some(places.find(written, &checked.source("weights"))?),
        None => None,
    };
    if let Some(path) = &weights {
        checked.values.insert("weights".into(), Json::from(path.to_string_lossy()));
    }
    let family = checked.text("family").unwrap_or_default().to_owned();
    let frozen = checked.values["frozen"] == true;
    let plugin = PluginTable::new(format!("model `{role}` (family `{family}`)"), section, HOST_KEYS);
    Ok((Model { role: role.to_owned(), family, weights, frozen, plugin }, checked))
}
