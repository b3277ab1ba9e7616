//! Arms, tasks and stages of a study file.

use std::path::Path;

use serde::Deserialize;

use super::{Arm, Better, Metric, Stage, Task};
use crate::check::Checked;
use crate::error::Error;
use crate::experiment::misplaced;
use crate::schema::{Field, Kind, Schema};
use crate::sections::in_words;
use crate::source::Source;
use crate::table::{Content, Node, Table, excerpt, visible};

/// Letters of the longest name: it is part of a folder's.
const LONGEST_NAME: usize = 60;

#[derive(Deserialize)]
struct TypedTask {
    metric: Option<String>,
    better: Option<Better>,
}

#[derive(Deserialize)]
struct TypedStage {
    file: String,
    set: Vec<String>,
}

/// `[[arm]]`, at least one.
pub(super) fn arms(root: &Table, path: &Path) -> Result<Vec<Arm>, Error> {
    let mut arms: Vec<Arm> = Vec::new();
    for table in tables(root, "arm", "[[arm]]")? {
        let (name, _) = named(table, "[[arm]]", named_schema(), arms.iter().map(|arm| arm.name.as_str()))?;
        arms.push(Arm { name, point: None, stages: stages(table, "[[arm.stage]]", path)? });
    }
    if arms.is_empty() {
        return Err(Error::Missing {
            what: "the study".into(),
            name: "[[arm]]".into(),
            remedy: "add at least one, with `name = …` and its `[[arm.stage]]`".into(),
            place: root.source.clone().into(),
        });
    }
    Ok(arms)
}

/// `[[task]]`.
pub(super) fn tasks(root: &Table, path: &Path) -> Result<Vec<Task>, Error> {
    const HEADER: &str = "[[task]]";
    let mut tasks: Vec<Task> = Vec::new();
    for table in tables(root, "task", HEADER)? {
        let mut schema = named_schema();
        schema.fields.extend([
            Field::new("metric", Kind::Text, "The figure of this task; left out, the study's.").optional(),
            Field::new("better", Kind::Text, "Which way it gets better.").optional().one_of(&["higher", "lower"]),
        ]);
        let (name, checked) = named(table, HEADER, schema, tasks.iter().map(|task| task.name.as_str()))?;
        let typed: TypedTask = checked.typed();
        let metric = typed.metric.as_deref();
        tasks.push(Task {
            name,
            metric: metric
                .map(|text| self::metric(text, "metric", &in_words(HEADER), &checked.source("metric")))
                .transpose()?,
            better: typed.better,
            stages: stages(table, "[[task.stage]]", path)?,
        });
    }
    Ok(tasks)
}

/// Each cell must train something, and `{previous}` must mean something.
pub(super) fn each_has_stages(arms: &[Arm], tasks: &[Task], place: &Source) -> Result<(), Error> {
    let refuse = |reason: String, remedy: &str, place: &Source| {
        Err(Error::Study { reason, remedy: remedy.into(), place: place.clone().into() })
    };
    if let Some(task) = tasks.iter().find(|task| task.stages.is_empty()) {
        return refuse(
            format!("the task `{}` has no stage", task.name),
            "add a `[[task.stage]]` with `file = …`",
            place,
        );
    }
    if let Some(arm) = arms.iter().find(|arm| arm.stages.is_empty() && tasks.is_empty()) {
        return refuse(format!("the arm `{}` has no stage", arm.name), "add an `[[arm.stage]]` with `file = …`", place);
    }
    for arm in arms {
        let Some(first) = arm.stages.first() else { continue };
        if first.set.iter().any(|set| set.contains("{previous}")) {
            let reason =
                format!("`{{previous}}` in the first stage of the arm `{}`: no stage comes before it", arm.name);
            return refuse(reason, "it stands for the run folder of the stage before", &first.place);
        }
    }
    Ok(())
}

/// A name that can be part of a folder's and of an expectation.
pub(super) fn name(name: &str, what: &str, place: &Source) -> Result<(), Error> {
    let inner = |c: char| c.is_alphanumeric() || " ._-+=%,".contains(c);
    let fits = !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && name.chars().all(inner)
        && name.starts_with(char::is_alphanumeric)
        && !name.ends_with([' ', '.']);
    if fits {
        return Ok(());
    }
    Err(Error::Type {
        what: what.into(),
        name: "name".into(),
        expected: format!(
            "a name of at most {LONGEST_NAME} letters, digits, spaces and `._-+=%,` that begins with a letter or digit"
        ),
        found: format!("\"{}\"", excerpt(name)),
        place: place.clone().into(),
    })
}

/// `valid.loss`: a row, a point, a key that may hold more points.
pub(super) fn metric(text: &str, name: &str, what: &str, place: &Source) -> Result<Metric, Error> {
    match text.split_once('.') {
        Some((row, key)) if !row.is_empty() && !key.is_empty() => Ok(Metric { row: row.into(), key: key.into() }),
        _ => Err(Error::Type {
            what: what.into(),
            name: name.into(),
            expected: "row and key with a point between them, such as `valid.loss`".into(),
            found: format!("\"{}\"", excerpt(text)),
            place: place.clone().into(),
        }),
    }
}

fn named_schema() -> Schema {
    Schema { fields: vec![Field::new("name", Kind::Text, "What it is called in tables.")] }
}

fn named<'a>(
    table: &Table,
    header: &str,
    schema: Schema,
    mut before: impl Iterator<Item = &'a str>,
) -> Result<(String, Checked), Error> {
    let checked = schema.check_with_sources(&in_words(header), &table.without(&["stage"]), &["stage"])?;
    let found = checked.text("name").unwrap_or_default().to_owned();
    name(&found, &in_words(header), &checked.source("name"))?;
    if before.any(|other| other == found) {
        return Err(Error::Study {
            reason: format!("`{header}` named `{found}` is there twice"),
            remedy: "give each a name of its own".into(),
            place: checked.source("name").into(),
        });
    }
    Ok((found, checked))
}

fn stages(table: &Table, header: &str, path: &Path) -> Result<Vec<Stage>, Error> {
    let schema = Schema {
        fields: vec![
            Field::new("file", Kind::Text, "The experiment file, beside the study file."),
            Field::new("set", Kind::Texts, "Settings that replace those of the file.").or(Vec::<String>::new()),
        ],
    };
    let stage = |table: &Table| {
        let checked = schema.check_with_sources(&in_words(header), table, &[])?;
        let typed: TypedStage = checked.typed();
        let place = checked.source("file");
        let beside = path.parent().unwrap_or_else(|| Path::new("")).join(&typed.file);
        let file = std::path::absolute(&beside).unwrap_or(beside);
        if !file.is_file() {
            return Err(Error::File {
                path: visible(&typed.file),
                reason: "there is no such experiment file".into(),
                remedy: format!(
                    "looked for `{}`: a stage's file is named from the study file's folder",
                    visible(&file.display().to_string())
                ),
                place: Some(place.into()),
            });
        }
        if let Some(stray) = typed.set.iter().find(|set| !set.contains('=')) {
            return Err(Error::Override {
                argument: visible(stray),
                reason: "it has no `=`".into(),
                remedy: "write it as `section.key=value`, for instance `run.steps=300`".into(),
            });
        }
        Ok(Stage { file, set: typed.set, place })
    };
    tables(table, "stage", header)?.into_iter().map(stage).collect()
}

/// A list of sections; none where the file has none.
fn tables<'a>(parent: &'a Table, name: &str, header: &str) -> Result<Vec<&'a Table>, Error> {
    let items = match parent.get(name) {
        None => return Ok(Vec::new()),
        Some(Node { content: Content::List(items), .. }) => items,
        Some(node) => return Err(misplaced(name, header, node)),
    };
    items
        .iter()
        .map(|item| match &item.content {
            Content::Table(table) => Ok(table),
            _ => Err(misplaced(name, header, item)),
        })
        .collect()
}
