//! `[model.<role>]`: which family fills a role, from which weights.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use crate::check::Checked;
use crate::error::Error;
use crate::paths::Places;
use crate::schema::{Field, Kind, Schema};
use crate::sections::plugin::PluginTable;
use crate::table::{Content, Node, Table, visible};

pub(crate) const INTRO: &str = "The model that fills a role of the objective (`encoder`, `decoder`, `teacher`, …). Every other key is a \
    setting of the family: `lacuna plugins info FAMILY` lists them.";
const HOST_KEYS: &[&str] = &["family", "weights", "weights_role", "weights_averaged", "frozen"];
/// The file that makes a folder a model folder.
const MODEL_FILE: &str = "model.toml";
/// The file that makes a folder a run.
const RUN_FILE: &str = "experiment.toml";

/// A `[model.<role>]` section.
#[derive(Clone, Debug)]
pub struct Model {
    /// The role that it fills, the name in the header.
    pub role: String,
    /// The plugin's model family.
    pub family: String,
    /// Where its weights come from: a `safetensors` file, a run or a model folder, absolute, existing; none means initial ones.
    pub weights: Option<PathBuf>,
    /// Its role in the run that the weights come from; none means this role, or the run's only one.
    pub weights_role: Option<String>,
    /// Of a run that keeps averages of its weights, these.
    pub weights_averaged: bool,
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
            Field::new(
                "family",
                Kind::Text,
                "The model family, by the name of its plugin; left out where `weights` is a folder, it is the family of that model, and \
                 settings that are not given are those of that model.",
            ),
            Field::new(
                "weights",
                Kind::Text,
                "Where the weights come from: a run folder, a model folder (`lacuna import` makes them) or a `safetensors` file; left out, \
                 they are initialised.",
            )
            .optional(),
            Field::new(
                "weights_role",
                Kind::Text,
                "The role whose weights a run hands over; left out, the role of the same name, or the only one that the run has.",
            )
            .optional(),
            Field::new("weights_averaged", Kind::Bool, "Of a run that keeps averages of its weights (`optimizer.ema`), take these.")
                .or(true),
            Field::new("frozen", Kind::Bool, "Keep the weights as they are.").or(false),
        ],
    }
}

/// The settings of a family, checked against its schema, from a section that was written down: of a run's `experiment.toml` or a
/// model folder's `model.toml`. Keys of the host, and sections inside, are passed over.
///
/// # Errors
/// As [`Model::settings`].
pub fn model_settings(role: &str, family: &str, section: &Table, schema: &Schema) -> Result<Map<String, Json>, Error> {
    let mut own = section.clone();
    own.entries.retain(|(_, node)| !matches!(node.content, Content::Table(_)));
    PluginTable::new(format!("model `{role}` (family `{family}`)"), &own, HOST_KEYS).settings(schema)
}

/// Reads one role's section; the host's keys are checked, the family's are kept.
pub(crate) fn read(role: &str, section: &Table, places: &Places) -> Result<(Model, Checked), Error> {
    let section = &completed(role, section, places)?;
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
    let weights_role = checked.text("weights_role").map(str::to_owned);
    let weights_averaged = checked.values["weights_averaged"] == true;
    Ok((Model { role: role.to_owned(), family, weights, weights_role, weights_averaged, frozen, plugin }, checked))
}

/// The section with what the folder of its weights says in addition: a model folder always, a run where the family is left out.
fn completed(role: &str, section: &Table, places: &Places) -> Result<Table, Error> {
    let mut whole = section.clone();
    let text = |name: &str| match section.get(name) {
        Some(Node { content: Content::Text(text), source }) => Some((text.as_str(), source)),
        _ => None,
    };
    let Some((written, source)) = text("weights") else { return Ok(whole) };
    let folder = places.find(written, source)?;
    let (model, run) = (folder.join(MODEL_FILE), folder.join(RUN_FILE));
    let refuse = |reason: String, remedy: String| Error::File {
        path: visible(written),
        reason,
        remedy,
        place: Some(Box::new(source.clone())),
    };
    let read = |file: &Path| {
        let text = std::fs::read_to_string(file).map_err(|error| {
            refuse(format!("its `{}` cannot be read: {error}", file.display()), "import the model again".into())
        })?;
        Table::parse(&text, file)
    };
    let found = if model.is_file() {
        read(&model)?
    } else if run.is_file() && section.get("family").is_none() {
        let root = read(&run)?;
        let roles = root.section("model").cloned().unwrap_or_else(Table::empty);
        let names: Vec<&str> = roles.entries.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = text("weights_role").map_or(role, |(name, _)| name);
        let chosen = match (roles.section(wanted), names.as_slice()) {
            (Some(_), _) => wanted,
            (None, [only]) if text("weights_role").is_none() => only,
            _ => {
                let remedy = format!("choose one of its roles with `weights_role`: `{}`", names.join("`, `"));
                return Err(refuse(format!("the run has no model in the role `{wanted}`"), remedy));
            }
        };
        roles.section(chosen).map_or_else(Table::empty, |found| found.without(&HOST_KEYS[1..]))
    } else {
        return Ok(whole);
    };
    if let (Some((given, _)), Some(Node { content: Content::Text(own), .. })) = (text("family"), found.get("family"))
        && given != own
    {
        let remedy = format!("leave `family` out, or set `family = \"{own}\"`");
        return Err(refuse(format!("it holds a model of the family `{own}`, not `{given}`"), remedy));
    }
    for (name, node) in found.entries {
        if whole.get(&name).is_none() && !matches!(node.content, Content::Table(_)) {
            whole.set(&name, node);
        }
    }
    Ok(whole)
}
