//! The whole experiment: loading a file, its sections, the roles of its models.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::check::Checked;
use crate::error::Error;
use crate::modality::{self, Data};
use crate::overrides;
use crate::paths::Places;
use crate::schema::Schema;
use crate::sections::checkpoint::{self, Checkpoint};
use crate::sections::evaluate::{self, Evaluate};
use crate::sections::evaluator;
use crate::sections::in_words;
use crate::sections::model::{self, Model};
use crate::sections::objective::{self, Objective};
use crate::sections::optimizer::{self, Group, Optimizer};
use crate::sections::run::{self, Run};
use crate::sections::schedule::{self, Schedule};
use crate::source::Source;
use crate::table::{Content, Node, Table, excerpt, visible};

/// An experiment larger than this is a data file given by mistake.
const LARGEST_BYTES: u64 = 4 << 20;
const SECTIONS: [&str; 9] =
    ["run", "data", "model", "objective", "evaluator", "optimizer", "schedule", "evaluate", "checkpoint"];

/// An experiment file, its overrides applied, the host's own sections checked.
///
/// The fields are for reading: [`Experiment::resolved`] and [`Experiment::fingerprint`] tell what was loaded, not what was
/// changed in a field afterwards. To change a value, load with an override.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The file as it was named.
    pub path: PathBuf,
    /// `[run]`.
    pub run: Run,
    /// `[data]`.
    pub data: Data,
    /// `[model.<role>]`, in the order of the file; which roles must be there is the objective's to say.
    pub models: Vec<Model>,
    /// `[objective]`, or `[evaluator]` in its place.
    pub objective: Objective,
    /// `[optimizer]` with its groups.
    pub optimizer: Optimizer,
    /// `[schedule]`.
    pub schedule: Schedule,
    /// `[[evaluate]]`, in the order of the file.
    pub evaluate: Vec<Evaluate>,
    /// `[checkpoint]`.
    pub checkpoint: Checkpoint,
    pub(crate) records: Records,
}

/// The checked form of every section, with sources; lists in the order of the typed ones.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    pub(crate) run: Checked,
    pub(crate) data: Checked,
    pub(crate) models: Vec<Checked>,
    pub(crate) objective: Checked,
    pub(crate) optimizer: Checked,
    pub(crate) groups: Vec<Checked>,
    pub(crate) schedule: Checked,
    pub(crate) evaluate: Vec<Checked>,
    pub(crate) checkpoint: Checked,
}

impl Experiment {
    /// Reads a file, applies overrides (`section.key=value`, the value as TOML writes it, a bare word as a text; lists of
    /// sections by number: `evaluate.0.every_steps=50`), and checks the host's own sections. Settings of plugins wait for
    /// [`Objective::settings`] and [`Model::settings`].
    ///
    /// # Errors
    /// [`Error`] of any kind, with its place; the first fault in the order of the reference page.
    pub fn load(path: impl AsRef<Path>, overrides: &[String]) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_text(
            &read(path, "an experiment file, such as `plugins/mlm/experiments/tiny.toml`")?,
            path,
            overrides,
        )
    }

    /// As [`Experiment::load`] with the text at hand; `path` names it in places and is where relative paths start.
    ///
    /// # Errors
    /// As [`Experiment::load`].
    pub fn from_text(text: &str, path: &Path, overrides: &[String]) -> Result<Self, Error> {
        let mut root = Table::parse(text, path)?;
        overrides::apply(&mut root, overrides)?;
        Self::from_table(&root, path)
    }

    /// The model of a role.
    ///
    /// # Errors
    /// [`Error::Missing`] when the file has no `[model.<role>]`, naming the roles that it has.
    pub fn model(&self, role: &str) -> Result<&Model, Error> {
        self.models.iter().find(|model| model.role == role).ok_or_else(|| {
            let roles: Vec<_> = self.models.iter().map(|model| model.role.as_str()).collect();
            let remedy = match (crate::suggest(role, roles.iter().copied()), roles.is_empty()) {
                (Some(near), _) => format!("the file has `[model.{near}]`: was `[model.{role}]` meant?"),
                (None, true) => format!("add a section `[model.{role}]` with `family = …`"),
                (None, false) => format!("add a section `[model.{role}]`; the file has roles `{}`", roles.join("`, `")),
            };
            let place = Box::new(Source::file_only(&self.path.as_path().into()));
            Error::Missing { what: "the experiment".into(), name: format!("[model.{role}]"), remedy, place }
        })
    }

    fn from_table(root: &Table, path: &Path) -> Result<Self, Error> {
        refuse_unknown_sections(root)?;
        let places = modality::places(root, Places::of(path))?;
        let plain = |name: &str, header: &str, schema: Schema, beside: &[&str]| {
            schema.check_with_sources(&in_words(header), &*section(root, name, header)?, beside)
        };

        let run_section = section(root, "run", run::HEADER)?;
        let run = plain("run", run::HEADER, run::schema(), &[])?;
        let (run, run_record) = run::finish(run, path, &run_section.source, root.get("evaluator").is_none())?;

        let data_record = modality::check(root)?;

        let mut models = Vec::new();
        let roles = section(root, "model", "[model.<role>]")?;
        for (role, node) in &roles.entries {
            models.push(model::read(role_name(role, node)?, role_table(role, node)?, &places)?);
        }
        let (models, model_records) = models.into_iter().unzip();
        let (objective, objective_record) = match root.get("evaluator") {
            Some(_) => evaluator::read(root, &*section(root, "evaluator", evaluator::HEADER)?)?,
            None => objective::read(&*section(root, "objective", objective::HEADER)?)?,
        };

        let optimizer_section = section(root, "optimizer", optimizer::HEADER)?;
        let optimizer_record = optimizer::schema_of(&optimizer_section).check_with_sources(
            &optimizer::in_words(&optimizer_section),
            &optimizer_section,
            &["group"],
        )?;
        let groups = list(&optimizer_section, "group", optimizer::GROUP_HEADER, &optimizer::group_schema())?;
        let mut optimizer: Optimizer = optimizer_record.typed();
        optimizer.groups = groups.iter().map(Checked::typed::<Group>).collect();

        let schedule = plain("schedule", schedule::HEADER, schedule::schema(), &[])?;
        let evaluate = list(root, "evaluate", evaluate::HEADER, &evaluate::schema())?;
        let checkpoint = plain("checkpoint", checkpoint::HEADER, checkpoint::schema(), &[])?;

        // Data last: looking for files is in vain while a key is wrong.
        let (data, data_record) = modality::finish(data_record, &places)?;
        Ok(Self {
            path: path.to_owned(),
            run,
            data,
            models,
            objective,
            optimizer,
            schedule: schedule.typed(),
            evaluate: evaluate.iter().map(Checked::typed).collect(),
            checkpoint: checkpoint.typed(),
            records: Records {
                run: run_record,
                data: data_record,
                models: model_records,
                objective: objective_record,
                optimizer: optimizer_record,
                groups,
                schedule,
                evaluate,
                checkpoint,
            },
        })
    }
}

/// The text of an experiment or study file; `wanted` says which, with an example.
pub(crate) fn read(path: &Path, wanted: &str) -> Result<String, Error> {
    let refuse = |reason: &str, remedy: &str| Error::File {
        path: visible(&path.display().to_string()),
        reason: reason.into(),
        remedy: remedy.into(),
        place: None,
    };
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refuse("there is no such file", &format!("name {wanted}")),
        _ => refuse(&error.to_string(), "look at the path and its permissions"),
    })?;
    if about.is_dir() {
        return Err(refuse("it is a folder", "name the experiment file in it"));
    }
    if about.len() > LARGEST_BYTES {
        return Err(refuse("it is too large for an experiment file", "data files belong into `[data.text] files`"));
    }
    let bytes =
        std::fs::read(path).map_err(|error| refuse(&error.to_string(), "look at the path and its permissions"))?;
    String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text", "save the experiment as UTF-8"))
}

fn refuse_unknown_sections(root: &Table) -> Result<(), Error> {
    let not_yet = |what: &str, remedy: &str, node: &Node| {
        Err(Error::NotYet { what: what.into(), remedy: remedy.into(), place: node.source.clone().into() })
    };
    for (name, node) in &root.entries {
        match name.as_str() {
            "sweep" => {
                return not_yet("`[sweep]`", "write a study file with `grid = …` and run it with `lacuna sweep`", node);
            }
            "stage" => {
                return not_yet("`[[stage]]`", "give each stage a file of its own and name them in a study file", node);
            }
            "objective" if matches!(node.content, Content::List(_)) => {
                return not_yet("mixing objectives, `[[objective]]`,", "choose one: `[objective]`", node);
            }
            known if SECTIONS.contains(&known) => {}
            unknown => {
                return Err(Error::UnknownSetting {
                    what: "the experiment".into(),
                    name: excerpt(unknown),
                    known: SECTIONS.map(str::to_owned).to_vec(),
                    place: node.source.clone().into(),
                });
            }
        }
    }
    Ok(())
}

/// A section by its key; an empty one where the file has none.
pub(crate) fn section<'a>(parent: &'a Table, name: &str, header: &str) -> Result<Cow<'a, Table>, Error> {
    match parent.get(name) {
        None => Ok(Cow::Owned(Table::absent(whole_file(&parent.source)))),
        Some(Node { content: Content::Table(table), .. }) => Ok(Cow::Borrowed(table)),
        Some(node) => Err(misplaced(name, header, node)),
    }
}

/// The place of something that is not there: the file, without a line of something else.
fn whole_file(source: &Source) -> Source {
    match source {
        Source::File { path, .. } => Source::file_only(path),
        other => other.clone(),
    }
}

pub(crate) fn misplaced(name: &str, header: &str, node: &Node) -> Error {
    let kind = if header.starts_with("[[") { "a list of sections" } else { "a section" };
    Error::Type {
        what: "the experiment".into(),
        name: excerpt(name),
        expected: format!("{kind}, `{header}`"),
        found: node.in_words(),
        place: node.source.clone().into(),
    }
}

/// A role is part of parameter names and paths, so it is held to their letters.
fn role_name<'a>(role: &'a str, node: &Node) -> Result<&'a str, Error> {
    if !role.is_empty() && role.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        return Ok(role);
    }
    Err(Error::Type {
        what: "the experiment".into(),
        name: "[model.<role>]".into(),
        expected: "a role of letters, digits, `_` and `-`".into(),
        found: format!("\"{}\"", excerpt(role)),
        place: node.source.clone().into(),
    })
}

fn role_table<'a>(role: &str, node: &'a Node) -> Result<&'a Table, Error> {
    match &node.content {
        Content::Table(table) => Ok(table),
        _ => Err(Error::Type {
            what: "`[model]`".into(),
            name: role.to_owned(),
            expected: "a section of its own for each role, such as `[model.encoder]`".into(),
            found: node.in_words(),
            place: node.source.clone().into(),
        }),
    }
}

/// A list of sections, each checked.
fn list(parent: &Table, name: &str, header: &str, schema: &Schema) -> Result<Vec<Checked>, Error> {
    let items = match parent.get(name) {
        None => return Ok(Vec::new()),
        Some(Node { content: Content::List(items), .. }) => items,
        Some(node) => return Err(misplaced(name, header, node)),
    };
    let checked = |item: &Node| match &item.content {
        Content::Table(table) => schema.check_with_sources(&in_words(header), table, &[]),
        _ => Err(misplaced(name, header, item)),
    };
    items.iter().map(checked).collect()
}
