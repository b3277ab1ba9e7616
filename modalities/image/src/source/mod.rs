//! Where pictures lie: folders, archives, tables, manifests and MNIST's files, each picture as a range of bytes of a file.

mod folder;
mod idx;
mod manifest;
mod members;
mod table;
mod unpack;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::{Error, Result};

/// How files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// The column or key of the picture in parquet files and of its path in jsonl files.
    pub field: String,
    /// The column or key of the label in parquet, jsonl and the `.json` members of an archive; pictures without it have none.
    pub label_field: String,
    /// Folder for what compressed archives and tables hold, so that single pictures can be read from it.
    pub unpacked: PathBuf,
}

/// Where the bytes of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the file.
    pub(crate) file: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Height, width and channels of pixels that are no file of their own but lie there as they are.
    pub(crate) raw: Option<[u32; 3]>,
}

/// A picture that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) place: Place,
    /// File, or archive and member, or table and row.
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    pub(crate) caption: Option<String>,
}

/// Files and the pictures in them.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) found: Vec<Found>,
}

impl Gathered {
    /// The number of a file.
    fn file(&mut self, path: &Path) -> u32 {
        self.files.push(path.to_owned());
        (self.files.len() - 1) as u32
    }

    /// A picture that is a whole file.
    fn whole_file(&mut self, path: &Path, label: Option<String>, caption: Option<String>) -> Result<()> {
        let bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
        let place = Place { file: self.file(path), offset: 0, bytes, raw: None };
        self.found.push(Found { place, name: path.display().to_string(), label, caption });
        Ok(())
    }
}

/// The bytes at a place.
///
/// # Errors
/// In words: the file is gone, or ends before.
pub(crate) fn read(path: &Path, place: Place) -> Result<Vec<u8>, String> {
    let mut file = File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    if place.offset > 0 {
        file.seek(SeekFrom::Start(place.offset)).map_err(|error| format!("it cannot be read: {error}"))?;
    }
    // The length may come from a damaged archive: no room is made for more than there is.
    let mut bytes = Vec::with_capacity(place.bytes.min(1 << 26) as usize);
    file.take(place.bytes).read_to_end(&mut bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if (bytes.len() as u64) < place.bytes {
        return Err(format!("the file ends after {} of its {} bytes", bytes.len(), place.bytes));
    }
    Ok(bytes)
}

/// The pictures of `paths` in order. A folder stands for the pictures in it and below it or, where there are none, for the
/// archives and tables in it; `archive#glob` for members of an archive: `*` any letters, `/` too, `?` one.
pub(crate) fn gather(paths: &[PathBuf], settings: &SourceSettings) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    for path in paths {
        let (file, glob) = match path.to_str().and_then(|text| text.split_once('#')) {
            Some((archive, members)) if !path.exists() => (PathBuf::from(archive), Some(members)),
            _ => (path.clone(), None),
        };
        if std::fs::metadata(&file).map_err(Error::io("read", &file))?.is_dir() {
            folder::read(&file, settings, &mut gathered)?;
        } else {
            read_file(&file, glob, settings, &mut gathered)?;
        }
    }
    if gathered.found.is_empty() {
        return Err(Error::Empty { place: "the list of files".to_owned(), help: "name a file or a folder" });
    }
    Ok(gathered)
}

/// What a file holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Picture,
    Tar,
    Parquet,
    Manifest,
    Idx,
}

fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if ["idx3-ubyte", "idx4-ubyte", "idx3.ubyte", "idx4.ubyte"].iter().any(|ending| name.ends_with(ending)) {
        return Some(Kind::Idx);
    }
    Some(match name.rsplit_once('.')?.1 {
        "png" | "jpg" | "jpeg" | "webp" => Kind::Picture,
        "tar" | "tgz" => Kind::Tar,
        "parquet" => Kind::Parquet,
        "jsonl" | "ndjson" => Kind::Manifest,
        "idx" => Kind::Idx,
        _ => return None,
    })
}

fn read_file(path: &Path, glob: Option<&str>, settings: &SourceSettings, gathered: &mut Gathered) -> Result<()> {
    let kind = kind(path).ok_or_else(|| Error::UnknownFormat { path: path.to_owned() })?;
    if glob.is_some() && kind != Kind::Tar {
        let reason = "`#` names members of an archive, and this is none: .tar, .tar.gz and .tgz are";
        return Err(Error::damaged(path, None, reason));
    }
    let before = gathered.found.len();
    match kind {
        Kind::Picture => gathered.whole_file(path, None, None)?,
        Kind::Tar => members::read(path, glob, settings, gathered)?,
        Kind::Parquet => table::read(path, settings, gathered)?,
        Kind::Manifest => manifest::read(path, settings, gathered)?,
        Kind::Idx => idx::read(path, settings, gathered)?,
    }
    if gathered.found.len() == before {
        let help = match kind {
            Kind::Tar => "members ending in .png, .jpg, .jpeg or .webp count",
            _ => "it is empty",
        };
        return Err(Error::Empty { place: path.display().to_string(), help });
    }
    Ok(())
}

/// A label as people write it: texts and numbers; `None` for nothing or a list.
fn label_of(value: Option<&Json>) -> Option<String> {
    match value? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}
