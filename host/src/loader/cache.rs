//! The folder of things that can be made again: copies of plugins, manifests already read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::{Value as Json, json};

use super::{LoadError, Manifest};

/// `LACUNA_CACHE`, else `lacuna` in the user's cache folder, else in the system's folder for temporary files.
#[must_use]
pub fn cache_folder() -> PathBuf {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("LACUNA_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("lacuna")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/lacuna")))
        .unwrap_or_else(|| std::env::temp_dir().join("lacuna"))
}

/// Manifests already read, by path, size and time of change. Losing it costs a few milliseconds.
pub(super) struct ManifestCache {
    file: PathBuf,
    entries: BTreeMap<String, Json>,
    changed: bool,
}

impl ManifestCache {
    pub(super) fn open() -> Self {
        let file = cache_folder().join("manifests.json");
        let entries = std::fs::read(&file).ok().and_then(|data| serde_json::from_slice(&data).ok()).unwrap_or_default();
        Self { file, entries, changed: false }
    }

    /// The manifest of `path`, from the cache while the file is unchanged. Files that are no plugins are remembered too.
    pub(super) fn read(&mut self, path: &Path) -> Result<Manifest, LoadError> {
        let Some(stamp) = stamp(path) else { return Manifest::read(path) };
        let key = path.display().to_string();
        if let Some(entry) = self.entries.get(&key)
            && entry["stamp"] == stamp.as_str()
        {
            return match entry["manifest"].as_str() {
                Some(text) => Manifest::from_text(path, text),
                None => Err(LoadError::NotAPlugin { path: path.into() }),
            };
        }
        let manifest = Manifest::read(path);
        let text = match &manifest {
            Ok(manifest) => Some(manifest.text.clone()),
            Err(LoadError::NotAPlugin { .. }) => None,
            Err(_) => return manifest,
        };
        self.entries.insert(key, json!({ "stamp": stamp, "manifest": text }));
        self.changed = true;
        manifest
    }

    /// Writes what was learnt. A cache that can't be written is no fault.
    pub(super) fn save(&self) {
        if !self.changed {
            return;
        }
        let kept: BTreeMap<&String, &Json> = self.entries.iter().filter(|(path, _)| Path::new(path).exists()).collect();
        if let (Some(folder), Ok(data)) = (self.file.parent(), serde_json::to_vec(&kept)) {
            let temporary = folder.join(format!("manifests.{}.tmp", std::process::id()));
            let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&temporary, data));
            let _ = written.and_then(|()| std::fs::rename(&temporary, &self.file));
        }
    }
}

fn stamp(path: &Path) -> Option<String> {
    let data = std::fs::metadata(path).ok()?;
    let changed = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {}", data.len(), changed.as_nanos()))
}
