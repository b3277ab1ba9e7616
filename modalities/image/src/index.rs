//! The pictures of a part of the data: where each lies, its label, and whether it can be read; decoded when asked for.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::decode::checked_head;
use crate::source::{Found, Place, gather, read};
use crate::{DecodeSettings, Error, Picture, Result, SourceSettings, decode};

/// What becomes of pictures that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The first ends the reading, with its name. When the index is made, size and structure of every picture are looked at;
    /// what shows only when pixels are decoded is told then.
    Refuse,
    /// They are left out and counted. To know all of them beforehand, every picture is decoded once when the index is made.
    Skip,
}

/// A picture that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Pictures by number, in the order of their files.
#[derive(Debug)]
pub struct Index {
    files: Vec<PathBuf>,
    entries: Vec<Entry>,
    skipped: Vec<Skipped>,
    settings: DecodeSettings,
    fingerprint: String,
}

#[derive(Debug)]
struct Entry {
    found: Found,
    /// Its number among all that were found, also those left out.
    number: u64,
    /// Height and width as they stand in the file.
    size: [u32; 2],
}

/// What a look at a picture found: hash of its bytes, height and width.
type Look = Result<([u8; 32], [u32; 2]), String>;

impl Index {
    /// Finds the pictures of `paths` and reads each once, on all cores: for its hash and its size, and to see that it is whole.
    ///
    /// A path is a picture, a folder (its pictures and those below it), a tar (`archive#glob` for some of its members), a parquet
    /// table, a jsonl manifest or an IDX file. A picture at `class/file` below a folder, an archive or the fixed part of a glob is
    /// labelled by that class; `.cls` and `.json` members, columns, keys and IDX files of labels go before that.
    ///
    /// # Errors
    /// A path that cannot be read or holds no picture; a picture that cannot be read, where that is refused; nothing left.
    pub fn build(
        paths: &[PathBuf],
        source: &SourceSettings,
        settings: DecodeSettings,
        corrupt: Corrupt,
    ) -> Result<Self> {
        let gathered = gather(paths, source)?;
        let files = gathered.files;
        let look = |found: &Found| look(&files[found.place.file as usize], found.place, &settings, corrupt);
        let looks: Vec<Look> = gathered.found.par_iter().map(look).collect();
        let (mut entries, mut skipped, mut hasher) = (Vec::new(), Vec::new(), blake3::Hasher::new());
        let count = gathered.found.len();
        for (number, (found, look)) in (0..).zip(gathered.found.into_iter().zip(looks)) {
            match look {
                Ok((hash, size)) => {
                    hasher.update(&hash);
                    hasher.update(format!("{:?}", found.label).as_bytes());
                    entries.push(Entry { found, number, size });
                }
                Err(reason) if corrupt == Corrupt::Refuse => {
                    return Err(Error::Unreadable { place: found.name, reason });
                }
                Err(reason) => skipped.push(Skipped { name: found.name, reason }),
            }
        }
        if let Some(first) = skipped.first().filter(|_| entries.is_empty()) {
            return Err(Error::NothingLeft { count, first: format!("{}: {}", first.name, first.reason) });
        }
        let fingerprint = hasher.finalize().to_hex().to_string();
        Ok(Self { files, entries, skipped, settings, fingerprint })
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none; never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What random draws for picture `picture` are keyed by: its number among all that were found.
    ///
    /// # Panics
    /// `picture >= len()`, as all that follow.
    #[must_use]
    pub fn number(&self, picture: usize) -> u64 {
        self.entries[picture].number
    }

    /// Its file, or archive and member, or table and row.
    #[must_use]
    pub fn name(&self, picture: usize) -> &str {
        &self.entries[picture].found.name
    }

    /// Its file, and where it lies there.
    pub(crate) fn place(&self, picture: usize) -> (&Path, Place) {
        let place = self.entries[picture].found.place;
        (&self.files[place.file as usize], place)
    }

    /// Its label, as it stands in the data.
    #[must_use]
    pub fn label(&self, picture: usize) -> Option<&str> {
        self.entries[picture].found.label.as_deref()
    }

    /// A text that lies beside it.
    #[must_use]
    pub fn caption(&self, picture: usize) -> Option<&str> {
        self.entries[picture].found.caption.as_deref()
    }

    /// Height and width as they stand in the file, before any rotation.
    #[must_use]
    pub fn size(&self, picture: usize) -> [u32; 2] {
        self.entries[picture].size
    }

    /// What was left out.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// A hash of all pictures and labels in their order.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Reads and decodes a picture.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with its name.
    pub fn picture(&self, picture: usize) -> Result<Picture> {
        let Found { place, name, .. } = &self.entries[picture].found;
        let decoded =
            read(&self.files[place.file as usize], *place).and_then(|bytes| pixels(bytes, *place, &self.settings));
        decoded.map_err(|reason| Error::Unreadable { place: name.clone(), reason })
    }

    /// The different labels in order: by size where all are whole numbers, else by letters.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let names: BTreeSet<&str> = (0..self.len()).filter_map(|picture| self.label(picture)).collect();
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
        if numbers.is_some() {
            let number = |name: &String| name.parse::<i64>().unwrap_or_default();
            names.sort_by(|a, b| number(a).cmp(&number(b)).then(Ordering::Equal));
        }
        names
    }

    /// The number of a picture's label among `names`. A whole number that is no name itself counts them, from 0.
    ///
    /// # Errors
    /// No label, or one that is not among them.
    pub fn class(&self, picture: usize, names: &[String]) -> Result<u32> {
        let Some(label) = self.label(picture) else {
            return Err(Error::Unlabelled { place: self.name(picture).to_owned() });
        };
        let counted = || label.parse().ok().filter(|number: &usize| *number < names.len());
        let found = names.iter().position(|name| name == label).or_else(counted);
        found.map(|number| number as u32).ok_or_else(|| Error::UnknownLabel {
            place: self.name(picture).to_owned(),
            label: label.to_owned(),
            known: names.to_vec(),
        })
    }
}

fn look(file: &Path, place: Place, settings: &DecodeSettings, corrupt: Corrupt) -> Look {
    let bytes = read(file, place)?;
    let hash = *blake3::hash(&bytes).as_bytes();
    let size = match place.raw {
        Some([height, width, _]) => [height, width],
        None => {
            let head = checked_head(&bytes, settings)?;
            [head.height, head.width]
        }
    };
    if corrupt == Corrupt::Skip {
        pixels(bytes, place, settings)?;
    }
    Ok((hash, size))
}

fn pixels(bytes: Vec<u8>, place: Place, settings: &DecodeSettings) -> Result<Picture, String> {
    let Some([height, width, channels]) = place.raw else { return decode(&bytes, settings) };
    let [height, width, channels] = [height, width, channels].map(|side| side as usize);
    Ok(Picture { height, width, channels, pixels: bytes }.with_channels(settings.channels))
}
