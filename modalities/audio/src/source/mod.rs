//! Which sounds there are: files, folders, members of archives, lines of manifests.

mod archive;
mod glob;
mod manifest;
mod pattern;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::Member;
pub use pattern::Pattern;

use crate::decode::{Sound, decode};
use crate::error::{Error, Result};

/// Endings of sounds.
const SOUNDS: [&str; 6] = ["wav", "flac", "ogg", "oga", "mp3", "wave"];
const KNOWN: &str = ".wav, .flac, .ogg or .mp3";

/// How sounds are listed.
#[derive(Clone, Debug, Default)]
pub struct ListSettings {
    /// Where labels and speakers stand in names; manifests have columns for them.
    pub pattern: Option<Pattern>,
}

/// A sound that has not been read yet.
#[derive(Clone, Debug)]
pub struct Item {
    name: String,
    place: Place,
    /// The part that is meant: from so many seconds, for so many.
    part: Option<(f64, Option<f64>)>,
    /// Its class.
    pub label: Option<String>,
    /// What is said.
    pub text: Option<String>,
    /// Who says it.
    pub speaker: Option<String>,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    /// Inside a file that is no file of its own.
    Range {
        file: Arc<Path>,
        first: u64,
        size: u64,
    },
    Memory(Arc<[u8]>),
}

impl Item {
    fn new(name: String, place: Place, settings: &ListSettings) -> Result<Self> {
        let mut item = Self { name, place, part: None, label: None, text: None, speaker: None };
        if let Some(pattern) = &settings.pattern {
            let found = pattern
                .find(&item.name)
                .ok_or_else(|| Error::Unlabelled { place: item.name.clone(), pattern: pattern.to_string() })?;
            (item.label, item.speaker) = (found.label, found.speaker);
        }
        Ok(item)
    }

    /// The file, or the archive and its member: `fsdd.tar#recordings/0_george_0.wav`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything that is known of it beside its bytes, in words that change when it does.
    #[must_use]
    pub fn facts(&self) -> String {
        format!("{:?} {:?} {:?} {:?}", self.part, self.label, self.text, self.speaker)
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match &self.place {
            Place::File(path) => std::fs::read(path).map_err(Error::io(path)),
            Place::Memory(bytes) => Ok(bytes.to_vec()),
            Place::Range { file, first, size } => {
                let mut open = File::open(file).map_err(Error::io(file))?;
                open.seek(SeekFrom::Start(*first)).map_err(Error::io(file))?;
                let mut bytes = Vec::new();
                open.take(*size).read_to_end(&mut bytes).map_err(Error::io(file))?;
                if (bytes.len() as u64) < *size {
                    return Err(Error::damaged(&self.name, "the archive is cut off inside of it"));
                }
                Ok(bytes)
            }
        }
    }

    /// Decodes it, and takes the part that is meant.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or ends before its part does.
    pub fn read(&self) -> Result<Sound> {
        self.decoded(self.bytes()?)
    }

    /// As [`Item::read`], of bytes that [`Item::bytes`] gave.
    ///
    /// # Errors
    /// When it is damaged, or ends before its part does.
    pub fn decoded(&self, bytes: Vec<u8>) -> Result<Sound> {
        let mut sound = decode(&self.name, bytes)?;
        if let Some((first, seconds)) = self.part {
            let sample = |seconds: f64| (seconds * f64::from(sound.rate)).round() as usize;
            let (first, there) = (sample(first), sound.samples.len());
            let last = seconds.map_or(there, |seconds| first + sample(seconds));
            // Manifests round to hundredths.
            let slack = sound.rate as usize / 50;
            if first >= there || last > there + slack || last <= first {
                let reason = format!(
                    "it has {:.3} seconds, and samples {first} to {last} at {} a second are asked for: mend its offset and duration",
                    sound.seconds(),
                    sound.rate
                );
                return Err(Error::damaged(&self.name, reason));
            }
            sound.samples.truncate(last);
            sound.samples.drain(..first);
        }
        Ok(sound)
    }
}

/// The archive and the glob over its members of a path such as `fsdd.tar#recordings/*`. A path without `#`, or that is there as
/// it stands, is whole.
#[must_use]
pub fn split_members(path: &Path) -> (PathBuf, Option<String>) {
    match path.to_str().and_then(|text| text.split_once('#')) {
        Some((archive, members)) if !path.exists() => (archive.into(), Some(members.to_owned())),
        _ => (path.to_owned(), None),
    }
}

/// The sounds that `paths` stand for, in order: a file for itself; a folder for all sounds in and below it, sorted by path; a tar
/// archive, also gzip-compressed, for its sounds or those that a glob behind `#` chooses (`*` any letters, `?` one, `[0-4]` one
/// of these); a manifest (`.tsv` with a line of names, `.jsonl`) for its lines: `path` (from the manifest's folder; `audio_filepath`
/// is the same), and where they are given `label`, `text`, `speaker`, `offset` and `duration` in seconds. Members of a compressed
/// archive stay in memory.
///
/// # Errors
/// A path that cannot be read, one without sounds, a line that cannot be used, a name that the pattern does not fit.
pub fn items(paths: &[PathBuf], settings: &ListSettings) -> Result<Vec<Item>> {
    let mut all = Vec::new();
    let mut archives = BTreeMap::new();
    for path in paths {
        let (file, glob) = split_members(path);
        let found = std::fs::metadata(&file).map_err(Error::io(&file))?;
        if found.is_dir() {
            let mut inside = Vec::new();
            below(&file, &mut inside)?;
            if inside.is_empty() {
                let help = "put files ending in .wav, .flac, .ogg or .mp3 there, or name the files";
                return Err(Error::Empty { place: file.display().to_string(), help });
            }
            inside.sort();
            for path in inside {
                all.push(Item::new(path.display().to_string(), Place::File(path), settings)?);
            }
            continue;
        }
        let name = file.to_string_lossy().to_lowercase();
        if archive::is_archive(&name) {
            let chosen = archive::chosen(archive::members(&file, &mut archives)?, &file, glob.as_deref())?;
            for Member { name, place } in chosen {
                all.push(Item::new(format!("{}#{name}", file.display()), place, settings)?);
            }
        } else if glob.is_some() {
            let place = path.display().to_string();
            return Err(Error::damaged(
                &place,
                "`#` names members of an archive, and this is none: .tar, .tar.gz, .tgz are",
            ));
        } else if name.ends_with(".tsv") || name.ends_with(".jsonl") {
            manifest::read(&file, settings, &mut archives, &mut all)?;
        } else if is_sound(&name) {
            all.push(Item::new(file.display().to_string(), Place::File(file), settings)?);
        } else {
            return Err(Error::UnknownFormat { place: file.display().to_string(), known: KNOWN });
        }
    }
    if all.is_empty() {
        return Err(Error::Empty {
            place: "the list of files".into(),
            help: "name a file, a folder, an archive or a manifest",
        });
    }
    Ok(all)
}

fn is_sound(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| SOUNDS.contains(&ending.to_lowercase().as_str()))
}

/// The sounds in a folder and those below; names that begin with a dot are passed over.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        // Links to folders are not followed, for they may lead back.
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            below(&path, found)?;
        } else if is_sound(&name) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}
