//! Folders of pictures: `{class}/file` gives labels.

use std::path::{Path, PathBuf};

use super::{Gathered, Kind, SourceSettings, kind, read_file};
use crate::{Error, Result};

pub(super) fn read(folder: &Path, settings: &SourceSettings, gathered: &mut Gathered) -> Result<()> {
    let (mut pictures, mut others) = (Vec::new(), Vec::new());
    walk(folder, &mut pictures, &mut others, 0)?;
    pictures.sort();
    for path in &pictures {
        let relative = path.strip_prefix(folder).unwrap_or(path);
        let label = class_of(&relative.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"));
        let caption = std::fs::read_to_string(path.with_extension("txt")).ok().map(|text| text.trim().to_owned());
        gathered.whole_file(path, label, caption)?;
    }
    if !pictures.is_empty() {
        return Ok(());
    }
    others.sort();
    for path in &others {
        read_file(path, None, settings, gathered)?;
    }
    if others.is_empty() {
        let help = "put .png, .jpg, .jpeg or .webp files there, or .tar, .parquet, .jsonl or -idx3-ubyte files";
        return Err(Error::Empty { place: folder.display().to_string(), help });
    }
    Ok(())
}

/// The class that `class/file` names: the folder, where there is exactly one.
pub(super) fn class_of(relative: &str) -> Option<String> {
    let (class, file) = relative.split_once('/')?;
    (!class.is_empty() && !file.contains('/')).then(|| class.to_owned())
}

/// Folders in folders that are followed: links may lead in circles.
const DEEPEST: usize = 32;

/// Pictures anywhere below; archives and tables in the folder itself. Names that begin with a dot are passed over.
fn walk(folder: &Path, pictures: &mut Vec<PathBuf>, others: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            if depth == DEEPEST {
                let reason = format!("it lies more than {DEEPEST} folders deep: does a link lead in a circle?");
                return Err(Error::damaged(&path, None, reason));
            }
            walk(&path, pictures, others, depth + 1)?;
        } else {
            match kind(&path) {
                Some(Kind::Picture) => pictures.push(path),
                Some(_) if depth == 0 => others.push(path),
                _ => {}
            }
        }
    }
    Ok(())
}
