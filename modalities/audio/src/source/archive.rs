//! Sounds inside tar archives, found by reading the archive's headers once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::{Place, glob, is_sound};
use crate::error::{Error, Result};

/// A file of an archive.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) place: Place,
}

/// Members of archives by path, each archive read once.
pub(super) type Archives = BTreeMap<PathBuf, Vec<Member>>;

pub(super) fn is_archive(name: &str) -> bool {
    [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

/// The files of an archive in their order.
///
/// # Errors
/// When it cannot be read, is damaged or cut off.
pub(super) fn members<'a>(path: &Path, archives: &'a mut Archives) -> Result<&'a [Member]> {
    if !archives.contains_key(path) {
        archives.insert(path.to_owned(), listed(path)?);
    }
    Ok(&archives[path])
}

fn listed(path: &Path) -> Result<Vec<Member>> {
    let place = path.display().to_string();
    let broken = |error: std::io::Error| Error::damaged(&place, format!("damaged archive: {error}"));
    let cut = |name: &str| Error::damaged(&place, format!("damaged archive: it is cut off inside of `{name}`"));
    let mut file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut magic = [0; 2];
    let compressed = file.read(&mut magic).map_err(Error::io(path))? == 2 && magic == [0x1f, 0x8b];
    let file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let shared: Arc<Path> = path.into();
    let mut members = Vec::new();
    if compressed {
        let mut archive = tar::Archive::new(MultiGzDecoder::new(file));
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let (name, size) = (name(&entry), entry.size());
            if !entry.header().entry_type().is_file() || !is_sound(&name) {
                continue;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if (bytes.len() as u64) < size {
                return Err(cut(&name));
            }
            members.push(Member { name, place: Place::Memory(bytes.into()) });
        }
    } else {
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let (name, first, size) = (name(&entry), entry.raw_file_position(), entry.size());
            if !entry.header().entry_type().is_file() {
                continue;
            }
            if first.saturating_add(size) > length {
                return Err(cut(&name));
            }
            members.push(Member { name, place: Place::Range { file: Arc::clone(&shared), first, size } });
        }
    }
    Ok(members)
}

fn name<R: Read>(entry: &tar::Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned()
}

/// The members that a glob chooses, or without one all sounds; hidden ones are passed over.
///
/// # Errors
/// When there is none, or a chosen one is no sound.
pub(super) fn chosen(members: &[Member], path: &Path, glob: Option<&str>) -> Result<Vec<Member>> {
    let place = path.display().to_string();
    let hidden = |name: &str| name.rsplit('/').next().is_some_and(|last| last.starts_with('.'));
    let seen = members.iter().filter(|member| !hidden(&member.name));
    let chosen: Vec<Member> = match glob {
        None => seen.filter(|member| is_sound(&member.name)).cloned().collect(),
        Some(glob) => seen.filter(|member| glob::matches(glob, &member.name)).cloned().collect(),
    };
    if let Some(other) = chosen.iter().find(|member| !is_sound(&member.name)) {
        return Err(Error::UnknownFormat { place: format!("{place}#{}", other.name), known: super::KNOWN });
    }
    match glob {
        Some(glob) if chosen.is_empty() => {
            let known = members.iter().map(|member| member.name.clone()).collect();
            Err(Error::NoMember { place, glob: glob.to_owned(), known })
        }
        None if chosen.is_empty() => {
            Err(Error::Empty { place, help: "members ending in .wav, .flac, .ogg or .mp3 count" })
        }
        _ => Ok(chosen),
    }
}
