//! `lacuna plugins`: what is installed, details of one plugin, a new one, a check of one.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use experiment::{Field, Schema};
use lacuna_abi::name;
use serde_json::{Value as Json, json};

use super::{Common, Outcome, print_json};
use crate::conformance;
use crate::error::{Error, Result};
use crate::loader::{Found, LoadError, Manifest};
use crate::scaffold::{self, Kind, Place, PluginName, Request};

#[derive(Args)]
pub(crate) struct PluginsArguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// What is installed. The same as no subcommand.
    List,
    /// Versions, interfaces and every setting of one plugin.
    Info {
        /// The plugin, or the path of a library.
        name: String,
        /// Print the settings as a page of documentation.
        #[arg(long)]
        markdown: bool,
    },
    /// Write a new plugin that builds, conforms and trains at once.
    New(NewArguments),
    /// Check that a plugin holds what every plugin has to hold.
    Check {
        /// The plugin, or the path of a library.
        name: String,
        /// Settings that replace defaults: `objective.mask_rate=0.5`, `model.width=8`.
        #[arg(value_name = "KEY=VALUE")]
        overrides: Vec<String>,
        /// The family that fills the roles an objective or evaluator asks for.
        #[arg(long, value_name = "FAMILY", default_value = "transformer")]
        model: String,
        /// The family that fills the roles which a model made of models asks for; `inner.width=8` is a setting of it.
        #[arg(long, value_name = "FAMILY")]
        inner: Option<String>,
    },
}

#[derive(Args)]
struct NewArguments {
    /// Its name: lower-case letters, digits, `-` and `_`.
    name: String,
    /// An objective: what is learnt.
    #[arg(long, group = "kind", required_unless_present_any = ["model", "evaluator"])]
    objective: bool,
    /// A model family: what learns.
    #[arg(long, group = "kind")]
    model: bool,
    /// An evaluator: what is measured.
    #[arg(long, group = "kind")]
    evaluator: bool,
    /// Write it below this folder instead of `plugins/` or the working directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The Lacuna checkout that a plugin outside of it depends on. Default: LACUNA_SOURCE, or the one of this program.
    #[arg(long, value_name = "PATH")]
    lacuna: Option<PathBuf>,
}

pub(super) fn run(common: &Common, arguments: &PluginsArguments) -> Result<Outcome> {
    match arguments.command.as_ref().unwrap_or(&Command::List) {
        Command::List => list(common),
        Command::Info { name, markdown } => info(common, name, *markdown),
        Command::New(new) => write_new(common, new),
        Command::Check { name, overrides, model, inner } => {
            let options =
                conformance::Options { family: model.clone(), inner: inner.clone(), overrides: overrides.clone() };
            let report = conformance::check(&common.catalogue(), name, &options)?;
            if common.json {
                print_json(&report.to_json());
            } else {
                println!("{}", report.to_text());
            }
            Ok(if report.holds() { Outcome::Done } else { Outcome::Failed })
        }
    }
}

fn list(common: &Common) -> Result<Outcome> {
    let catalogue = common.catalogue();
    // Folders of programs hold many libraries that never meant to be plugins.
    let broken: Vec<_> =
        catalogue.not_plugins().iter().filter(|(_, error)| !matches!(error, LoadError::NotAPlugin { .. })).collect();
    if common.json {
        let plugins: Vec<Json> = catalogue.plugins().map(to_json).collect();
        let broken: Vec<Json> = broken
            .iter()
            .map(|(path, error)| json!({ "file": path, "code": error.code(), "reason": error.to_string() }))
            .collect();
        print_json(&json!({ "plugins": plugins, "broken": broken, "searched": catalogue.looked() }));
        return Ok(Outcome::Done);
    }
    let rows: Vec<[String; 4]> = catalogue
        .plugins()
        .map(|found| {
            let manifest = &found.manifest;
            [manifest.name.clone(), manifest.version.clone(), in_words(manifest), found.path.display().to_string()]
        })
        .collect();
    if rows.is_empty() {
        let folders: Vec<String> = catalogue.looked().iter().map(|folder| folder.display().to_string()).collect();
        println!("no plugins in {}", folders.join(", "));
        println!("build them with `cargo build --release`, or name their folder with --plugin-dir");
    }
    print!("{}", columns(&rows));
    for (path, error) in broken {
        println!("broken: {error}\n  {}\n  help: {}", path.display(), error.help());
    }
    Ok(Outcome::Done)
}

fn to_json(found: &Found) -> Json {
    let manifest = &found.manifest;
    let provides: Vec<&str> = manifest.provides.iter().map(|provided| provided.interface.as_str()).collect();
    json!({
        "name": manifest.name, "version": manifest.version, "boundary": manifest.boundary,
        "provides": provides, "file": found.path, "doc": manifest.doc,
    })
}

fn info(common: &Common, name: &str, markdown: bool) -> Result<Outcome> {
    let found = common.catalogue().find(name)?;
    let manifest = &found.manifest;
    if common.json {
        let mut json: Json =
            serde_json::from_str(&manifest.text).map_err(|error| Error::new("plugin/manifest", error.to_string()))?;
        json["file"] = json!(found.path);
        print_json(&json);
    } else if markdown {
        print!("{}", page(manifest));
    } else {
        print!("{}", details(&found));
    }
    Ok(Outcome::Done)
}

fn details(found: &Found) -> String {
    let manifest = &found.manifest;
    let mut text = format!("{} {}\n", manifest.name, manifest.version);
    if !manifest.doc.is_empty() {
        let _ = writeln!(text, "{}", manifest.doc);
    }
    let _ = writeln!(text, "\nfile      {}", found.path.display());
    let fits =
        if manifest.boundary == lacuna_abi::BOUNDARY { "" } else { " (this host speaks another: rebuild the plugin)" };
    let _ = writeln!(
        text,
        "boundary  {}{fits}\nbuilt     for {}, with rustc {}",
        manifest.boundary, manifest.target, manifest.rustc
    );
    for provided in &manifest.provides {
        let _ = writeln!(text, "\n{}   {}", provided.interface, meaning(&provided.interface));
        if let Some(schema) = &provided.settings {
            text += &settings(schema);
        }
    }
    for (check, reason) in conformance::exemptions(manifest) {
        let _ = writeln!(text, "\nexempt from `{check}`: {reason}");
    }
    text
}

fn settings(schema: &Schema) -> String {
    if schema.fields.is_empty() {
        return "  no settings\n".into();
    }
    let rows: Vec<[String; 4]> = schema
        .fields
        .iter()
        .map(|field| {
            let kind = field.kind.in_words();
            [
                format!("  {}", field.name),
                kind.strip_prefix("a ").unwrap_or(kind).into(),
                default(field),
                allowed(field),
            ]
        })
        .collect();
    let table = columns(&rows);
    table
        .lines()
        .zip(&schema.fields)
        .fold(String::new(), |text, (line, field)| text + line + "\n      " + &field.doc + "\n")
}

fn default(field: &Field) -> String {
    match &field.default {
        Some(value) => format!("default {value}"),
        None if field.optional => "not set".into(),
        None => "required".into(),
    }
}

fn allowed(field: &Field) -> String {
    if field.choices.is_empty() { field.range_in_words() } else { field.choices.join(", ") }
}

/// The page of documentation: what it is, then a table for each interface with settings.
fn page(manifest: &Manifest) -> String {
    let mut text = format!("# {} {}\n\n{}\n", manifest.name, manifest.version, manifest.doc);
    for provided in &manifest.provides {
        let _ = writeln!(text, "\n## {}\n\n`{}`.", meaning(&provided.interface), provided.interface);
        if let Some(schema) = &provided.settings {
            let _ = write!(text, "\n{}", schema.markdown());
        }
    }
    for (check, reason) in conformance::exemptions(manifest) {
        let _ = writeln!(text, "\nExempt from the check `{check}`: {reason}");
    }
    text
}

/// What a plugin provides, in a few words.
fn in_words(manifest: &Manifest) -> String {
    let words: Vec<&str> = manifest.provides.iter().map(|provided| meaning(&provided.interface)).collect();
    words.join(", ")
}

/// An interface in a word.
fn meaning(interface: &str) -> &str {
    match interface {
        name::OBJECTIVE => "objective",
        name::COLLATE => "collation",
        name::EVALUATE => "predictions",
        name::PHASES => "phases",
        name::COUPLE => "coupled loss",
        name::GRADIENTS => "gradients",
        name::FIGURES => "figures",
        name::EVALUATOR => "evaluator",
        name::DECODER => "decoder",
        name::MODEL => "model family",
        name::DECODE => "decoding",
        name::AXES => "axes",
        name::HUGGING_FACE => "Hugging Face names",
        other => other,
    }
}

fn write_new(common: &Common, arguments: &NewArguments) -> Result<Outcome> {
    let name = PluginName::new(&arguments.name)?;
    let working = std::env::current_dir().map_err(|error| Error::file(".".as_ref(), &error))?;
    let named = std::env::var_os("LACUNA_SOURCE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let place = Place::choose(&working, arguments.dir.as_deref(), arguments.lacuna.as_deref().or(named.as_deref()))?;
    let kind = match arguments {
        NewArguments { objective: true, .. } => Kind::Objective,
        NewArguments { evaluator: true, .. } => Kind::Evaluator,
        _ => Kind::Model,
    };
    let written = scaffold::write(&Request { name, kind, place })?;
    if common.json {
        print_json(
            &json!({ "folder": written.folder, "files": written.files, "commands": written.commands, "remark": written.remark }),
        );
        return Ok(Outcome::Done);
    }
    println!("wrote {}: {}", written.folder.display(), written.files.join(", "));
    if let Some(remark) = &written.remark {
        println!("remark: {remark}");
    }
    println!("\nnext:");
    written.commands.iter().for_each(|command| println!("  {command}"));
    Ok(Outcome::Done)
}

/// Rows under each other, columns as wide as their widest entry.
fn columns(rows: &[[String; 4]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let padded =
            (0..3).map(|column| format!("{:<width$}  ", row[column], width = widths[column])).collect::<String>();
        format!("{padded}{}", row[3]).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
