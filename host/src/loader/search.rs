//! Where plugins are looked for, and what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cache::ManifestCache;
use super::{LoadError, Manifest, Plugin};

/// The folders that are searched, in groups: an earlier group hides a later one.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    groups: Vec<Vec<PathBuf>>,
}

impl SearchPath {
    /// `given` (from `--plugin-dir`), then `LACUNA_PLUGIN_PATH`, then the folder of the program and `plugins` in it.
    #[must_use]
    pub fn standard(given: &[PathBuf]) -> Self {
        let from_environment: Vec<PathBuf> = std::env::var_os("LACUNA_PLUGIN_PATH")
            .map(|value| std::env::split_paths(&value).collect())
            .unwrap_or_default();
        let beside: Vec<PathBuf> = std::env::current_exe()
            .ok()
            .and_then(|program| program.parent().map(|folder| vec![folder.to_path_buf(), folder.join("plugins")]))
            .unwrap_or_default();
        Self { groups: vec![given.to_vec(), from_environment, beside] }
    }

    /// Only `folders`.
    #[must_use]
    pub fn only(folders: &[PathBuf]) -> Self {
        Self { groups: vec![folders.to_vec()] }
    }

    /// Only `folders`, each hiding the later ones.
    #[must_use]
    pub fn in_order(folders: &[PathBuf]) -> Self {
        Self { groups: folders.iter().map(|folder| vec![folder.clone()]).collect() }
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.groups.iter().flatten().cloned().collect()
    }
}

/// A plugin file and its manifest.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    group: usize,
}

/// A library in the search path that is no plugin, with the reason.
pub type NotAPlugin = (PathBuf, LoadError);

/// What the search path holds.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    found: BTreeMap<String, Vec<Found>>,
    broken: Vec<NotAPlugin>,
    looked: Vec<PathBuf>,
}

impl Catalogue {
    /// Reads the manifests of all libraries in `path`. Nothing is opened as a library.
    #[must_use]
    pub fn read(path: &SearchPath) -> Self {
        let mut cache = ManifestCache::open();
        let mut catalogue = Self { looked: path.folders(), ..Self::default() };
        for (group, folders) in path.groups.iter().enumerate() {
            for file in folders.iter().flat_map(|folder| libraries(folder)) {
                match cache.read(&file) {
                    Ok(manifest) => {
                        let found = Found { path: file, manifest, group };
                        catalogue.found.entry(found.manifest.name.clone()).or_default().push(found);
                    }
                    Err(error) => catalogue.broken.push((file, error)),
                }
            }
        }
        cache.save();
        catalogue
    }

    /// The plugins, by name, the one that a name means first.
    pub fn plugins(&self) -> impl Iterator<Item = &Found> {
        self.found.values().filter_map(|all| all.first())
    }

    /// Libraries that are no plugins or have a broken manifest.
    #[must_use]
    pub fn not_plugins(&self) -> &[NotAPlugin] {
        &self.broken
    }

    /// The folders that were searched.
    #[must_use]
    pub fn looked(&self) -> &[PathBuf] {
        &self.looked
    }

    /// The plugin that `name` means: a name, or the path of a library.
    ///
    /// # Errors
    /// When there is none, when two different ones in the same group of folders share the name, or when the file given is
    /// no plugin.
    pub fn find(&self, name: &str) -> Result<Found, LoadError> {
        if name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(std::env::consts::DLL_SUFFIX) {
            let path = PathBuf::from(name);
            return Ok(Found { manifest: Manifest::read(&path)?, path, group: 0 });
        }
        let Some(all) = self.found.get(name) else { return Err(self.unknown(name)) };
        let first = &all[0];
        match all.iter().skip(1).find(|other| other.group == first.group && !same_content(&first.path, &other.path)) {
            Some(second) => {
                Err(LoadError::Twice { name: name.into(), first: first.path.clone(), second: second.path.clone() })
            }
            None => Ok(first.clone()),
        }
    }

    /// Finds and opens a plugin.
    ///
    /// # Errors
    /// As [`Catalogue::find`] and [`Plugin::open`].
    pub fn load(&self, name: &str) -> Result<&'static Plugin, LoadError> {
        let found = self.find(name)?;
        Plugin::open(&found.path, &found.manifest)
    }

    fn unknown(&self, name: &str) -> LoadError {
        let known: Vec<String> = self.found.keys().cloned().collect();
        let file = format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let broken = self.broken.iter().find(|(path, _)| path.file_name().is_some_and(|own| *own == *file));
        LoadError::Unknown {
            name: name.into(),
            suggestion: experiment::suggest(name, known.iter().map(String::as_str)).map(str::to_owned),
            broken: broken.map(|(_, error)| Box::new(error.clone())),
            known,
            looked: self.looked.clone(),
        }
    }
}

/// The library files of a folder, by name. A folder that isn't there holds none.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(std::env::consts::DLL_SUFFIX))
        .collect();
    files.sort();
    files
}

fn same_content(a: &Path, b: &Path) -> bool {
    matches!((std::fs::read(a), std::fs::read(b)), (Ok(a), Ok(b)) if a == b)
}
