//! The shipped studies, by name: `plugins/PLUGIN/experiments/NAME.study.toml` of the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use experiment::{Study, suggest};

use crate::error::{Error, Result};

/// What a study file's name ends in.
const ENDING: &str = ".study.toml";

/// A study of the repository.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// Its file.
    pub file: PathBuf,
    /// The repository's root, where its experiments look for their data.
    pub root: PathBuf,
}

/// The studies of the repository around the current folder, or else around the program.
#[must_use]
pub fn shipped() -> BTreeMap<String, Shipped> {
    let program = std::env::current_exe().ok();
    let places = [std::env::current_dir().ok(), program];
    let around = places.iter().flatten().flat_map(|place| place.ancestors());
    around.map(studies_of).find(|studies| !studies.is_empty()).unwrap_or_default()
}

/// The study of this name.
///
/// # Errors
/// No study of that name: which there are.
pub fn find(name: &str) -> Result<Shipped> {
    let mut all = shipped();
    if let Some(found) = all.remove(name) {
        return Ok(found);
    }
    let error = Error::new("config/study", format!("there is no study `{name}`"));
    if all.is_empty() {
        return Err(error.with_help(
            "no `plugins/*/experiments/*.study.toml` lies around the current folder or the program: go to the \
             repository, or run a study file with `lacuna sweep FILE`",
        ));
    }
    let near = suggest(name, all.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
    let names: Vec<String> = all.keys().map(|name| format!("`{name}`")).collect();
    Err(error.with_help(format!("{}there are {}", near.unwrap_or_default(), names.join(", "))))
}

fn studies_of(root: &Path) -> BTreeMap<String, Shipped> {
    let mut found = BTreeMap::new();
    for plugin in entries(&root.join("plugins")) {
        for file in entries(&plugin.join("experiments")) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(name) = name.strip_suffix(ENDING) else { continue };
            // Of two with one name the first plugin's counts; a test holds the repository's names apart.
            found.entry(name.to_owned()).or_insert(Shipped { file, root: root.to_path_buf() });
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

impl Shipped {
    /// Reads it.
    ///
    /// # Errors
    /// Those of [`Study::load`].
    pub fn study(&self, overrides: &[String]) -> Result<Study> {
        Ok(Study::load(&self.file, overrides)?)
    }
}
