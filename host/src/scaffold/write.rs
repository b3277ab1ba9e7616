//! Writes a new plugin, all of it or nothing.

use std::path::{Path, PathBuf};

use super::{Dependency, Kind, Place, Request};
use crate::error::{Error, Result};

const OBJECTIVE: &str = include_str!("templates/objective/lib.rs");
const MODEL: &str = include_str!("templates/model/lib.rs");
const OBJECTIVE_EXPERIMENT: &str = include_str!("templates/objective/tiny.toml");
const MODEL_EXPERIMENT: &str = include_str!("templates/model/tiny.toml");
const EVALUATOR: &str = include_str!("templates/evaluator/lib.rs");
const EVALUATOR_EXPERIMENT: &str = include_str!("templates/evaluator/tiny.toml");
const INSIDE: &str = include_str!("templates/common/inside.Cargo.toml");
const OUTSIDE: &str = include_str!("templates/common/outside.Cargo.toml");
const CONFORMANCE: &str = include_str!("templates/common/conformance.rs");
const README: &str = include_str!("templates/common/README.md");
const GITIGNORE: &str = include_str!("templates/common/gitignore");
const TEXT: &str = include_str!("templates/common/text.txt");

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The folder.
    pub folder: PathBuf,
    /// Its files, relative to the folder.
    pub files: Vec<String>,
    /// What to type next, in order.
    pub commands: Vec<String>,
    /// What the reader has to know beside, if anything.
    pub remark: Option<String>,
}

/// Writes a new plugin.
///
/// # Errors
/// When the folder exists, or can't be written; then nothing of it is left.
pub fn write(request: &Request) -> Result<Written> {
    let folder = request.folder();
    if folder.exists() {
        return Err(Error::new("config/exists", format!("`{}` is there already", folder.display()))
            .with_help("choose another name, or remove the folder yourself"));
    }
    let files = files(request);
    let outcome = write_files(&folder, &files).and_then(|()| register(request));
    if let Err(error) = outcome {
        // Only what was written just now: the folder was not there before.
        let _ = std::fs::remove_dir_all(&folder);
        return Err(error);
    }
    let remark = match &request.place {
        Place::Apart { dependency: Dependency::Version(version), .. } => Some(format!(
            "no checkout of Lacuna was found, so the plugin depends on `plugin_api` {version} from a registry; \
             give --lacuna PATH or LACUNA_SOURCE to depend on a checkout"
        )),
        _ => None,
    };
    Ok(Written {
        files: files.into_iter().map(|(name, _)| name.to_owned()).collect(),
        commands: commands(request),
        folder,
        remark,
    })
}

fn files(request: &Request) -> Vec<(&'static str, String)> {
    let (code, experiment) = match request.kind {
        Kind::Objective => (OBJECTIVE, OBJECTIVE_EXPERIMENT),
        Kind::Model => (MODEL, MODEL_EXPERIMENT),
        Kind::Evaluator => (EVALUATOR, EVALUATOR_EXPERIMENT),
    };
    let inside = matches!(request.place, Place::Workspace(_));
    let mut files = vec![
        ("Cargo.toml", if inside { INSIDE } else { OUTSIDE }),
        ("src/lib.rs", code),
        ("experiments/tiny.toml", experiment),
        ("README.md", README),
    ];
    if inside {
        files.push(("tests/conformance.rs", CONFORMANCE));
    } else {
        files.extend([(".gitignore", GITIGNORE), ("experiments/text.txt", TEXT)]);
    }
    files.into_iter().map(|(name, template)| (name, filled(template, request))).collect()
}

fn filled(template: &str, request: &Request) -> String {
    let name = request.name.as_str();
    let inside = matches!(request.place, Place::Workspace(_));
    let (what, description) = match request.kind {
        Kind::Objective => ("An objective: what is learnt.", "An objective of Lacuna"),
        Kind::Model => ("A model family: what learns.", "A model family of Lacuna"),
        Kind::Evaluator => ("An evaluator: what is measured.", "An evaluator of Lacuna"),
    };
    let dependency = match &request.place {
        Place::Workspace(_) => String::new(),
        Place::Apart { dependency: Dependency::Checkout(path), .. } => {
            format!("plugin_api = {{ path = {} }}", toml_text(&path.join("plugin-api").display().to_string()))
        }
        Place::Apart { dependency: Dependency::Version(version), .. } => format!("plugin_api = {}", toml_text(version)),
    };
    let (files, held_out, experiment) = if inside {
        (
            "[\"tests/data/text/train\"]",
            "valid_files = [\"tests/data/text/valid\"]",
            format!("plugins/{name}/experiments/tiny.toml"),
        )
    } else {
        // Paths are looked for beside the experiment file too.
        ("[\"text.txt\"]", "valid_share = 0.1", "experiments/tiny.toml".to_owned())
    };
    let commands = commands(request).iter().map(|command| format!("    {command}\n")).collect::<String>();
    let values = [
        ("{{name}}", name.to_owned()),
        ("{{Type}}", request.name.type_name()),
        ("{{what}}", what.to_owned()),
        ("{{description}}", description.to_owned()),
        ("{{dependency}}", dependency),
        ("{{files}}", files.to_owned()),
        ("{{held_out}}", held_out.to_owned()),
        ("{{experiment}}", experiment),
        ("{{steps}}", "200".to_owned()),
        ("{{encoder}}", "family = \"transformer\"\nwidth = 64\nnum_layers = 2\nnum_heads = 2".to_owned()),
        ("{{commands}}", commands.trim_end().to_owned()),
    ];
    values.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

/// What to type next.
fn commands(request: &Request) -> Vec<String> {
    let name = request.name.as_str();
    match &request.place {
        Place::Workspace(_) => vec![
            format!("cargo build --release -p {name}"),
            format!("lacuna plugins check {name}"),
            format!("lacuna run plugins/{name}/experiments/tiny.toml"),
        ],
        Place::Apart { .. } => vec![
            format!("cd {} && cargo build --release", shell(&request.folder())),
            format!("lacuna --plugin-dir target/release plugins check {name}"),
            "lacuna --plugin-dir target/release run experiments/tiny.toml".to_owned(),
        ],
    }
}

fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-+".contains(letter)) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A TOML text.
fn toml_text(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn write_files(folder: &Path, files: &[(&str, String)]) -> Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        let written =
            std::fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| Error::file(&path, &error))?;
    }
    Ok(())
}

/// Makes a plugin inside the workspace a member of it, unless a glob covers it.
fn register(request: &Request) -> Result<()> {
    let Place::Workspace(root) = &request.place else { return Ok(()) };
    let path = root.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Error::file(&path, &error))?;
    let Some(text) = with_member(&text, &format!("plugins/{}", request.name.as_str())).map_err(|reason| {
        Error::new("config/workspace", format!("cannot add a member to `{}`: {reason}", path.display()))
    })?
    else {
        return Ok(());
    };
    // Over the old file in one move: a workspace without its manifest builds nothing.
    let temporary = root.join(format!("Cargo.toml.{}.tmp", std::process::id()));
    std::fs::write(&temporary, text)
        .and_then(|()| std::fs::rename(&temporary, &path))
        .map_err(|error| Error::file(&path, &error))
}

/// The manifest with one member more, its own formatting kept; `None` when it is a member already.
fn with_member(manifest: &str, member: &str) -> std::result::Result<Option<String>, String> {
    let mut document: toml_edit::DocumentMut =
        manifest.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let members = document
        .get_mut("workspace")
        .and_then(|workspace| workspace.get_mut("members"))
        .and_then(toml_edit::Item::as_array_mut)
        .ok_or("it has no list `workspace.members`")?;
    let listed: Vec<&str> = members.iter().filter_map(toml_edit::Value::as_str).collect();
    if listed.iter().any(|own| *own == member || *own == "plugins/*") {
        return Ok(None);
    }
    // Behind the last plugin, so that the list stays in its groups.
    let place = listed.iter().rposition(|own| own.starts_with("plugins/")).map_or(listed.len(), |last| last + 1);
    let mut value = toml_edit::Value::from(member);
    if let Some(before) = place.checked_sub(1).and_then(|before| members.get(before)) {
        *value.decor_mut() = before.decor().clone();
    }
    members.insert_formatted(place, value);
    Ok(Some(document.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::scaffold::PluginName;

    #[test]
    fn a_member_is_added_in_the_list_s_own_form() {
        let manifest = "# head\n[workspace]\nmembers = [\n    \"host\",\n    \"plugins/mlm\",\n    \"tests\",\n]\n\n[profile.release]\ndebug = 0 # small\n";
        let expected = manifest.replace("\"plugins/mlm\",\n", "\"plugins/mlm\",\n    \"plugins/span\",\n");
        assert_eq!(with_member(manifest, "plugins/span").unwrap().unwrap(), expected);
        assert_eq!(with_member(&expected, "plugins/span").unwrap(), None);
        assert_eq!(with_member("[workspace]\nmembers = [\"plugins/*\"]\n", "plugins/span").unwrap(), None);
        assert!(with_member("[package]\n", "plugins/span").is_err());
    }

    fn request(place: Place, kind: Kind) -> Request {
        Request { name: PluginName::new("span-mlm").unwrap(), kind, place }
    }

    #[test]
    fn nothing_is_left_unfilled_or_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for (number, kind) in [Kind::Objective, Kind::Model, Kind::Evaluator].into_iter().enumerate() {
            let above = folder.path().join(number.to_string());
            let place =
                Place::Apart { above: above.clone(), dependency: Dependency::Checkout("/a \"b\"/lacuna".into()) };
            let request = request(place, kind);
            let written = write(&request).unwrap();
            for name in &written.files {
                let text = std::fs::read_to_string(written.folder.join(name)).unwrap();
                assert!(
                    !text.contains("{{")
                        || name == "src/lib.rs" && !text.contains("{{name") && !text.contains("{{Type"),
                    "{name}"
                );
            }
            let manifest: toml_edit::DocumentMut =
                std::fs::read_to_string(written.folder.join("Cargo.toml")).unwrap().parse().unwrap();
            assert_eq!(manifest["dependencies"]["plugin_api"]["path"].as_str(), Some("/a \"b\"/lacuna/plugin-api"));
            std::fs::write(written.folder.join("src/lib.rs"), "mine").unwrap();
            let error = write(&request).unwrap_err().to_string();
            assert!(error.contains("is there already"), "{error}");
            assert_eq!(std::fs::read_to_string(written.folder.join("src/lib.rs")).unwrap(), "mine");
        }
    }

    #[test]
    fn inside_the_workspace_it_becomes_a_member() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("plugin-api")).unwrap();
        std::fs::write(root.path().join("plugin-api/Cargo.toml"), "[package]\nname = \"plugin_api\"\n").unwrap();
        std::fs::write(root.path().join("Cargo.toml"), "[workspace]\nmembers = [\"plugin-api\"]\n").unwrap();
        let place = Place::choose(root.path(), None, None).unwrap();
        assert_eq!(place, Place::Workspace(root.path().to_path_buf()));
        let written = write(&request(place, Kind::Objective)).unwrap();
        assert_eq!(written.folder, root.path().join("plugins/span-mlm"));
        assert!(std::fs::read_to_string(root.path().join("Cargo.toml")).unwrap().contains("\"plugins/span-mlm\""));
        assert!(written.files.contains(&"tests/conformance.rs".to_owned()));
    }

    #[test]
    fn a_folder_that_is_no_checkout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Place::choose(folder.path(), None, Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("is no checkout of Lacuna") && error.contains("--lacuna"), "{error}");
    }
}
