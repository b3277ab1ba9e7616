//! `pictures/` and `sounds/` of a run folder: what people look at and listen to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::error::{Error, Result};

/// What a file holds, which its folder tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A PNG file.
    Picture,
    /// A WAV file.
    Sound,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Picture, Self::Sound];

    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Picture => ("pictures", "png"),
            Self::Sound => ("sounds", "wav"),
        }
    }
}

/// A picture or a sound of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// What it is.
    pub kind: Kind,
    /// What was measured on: `valid`, `test`.
    pub split: String,
    /// What it shows.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Medium {
    /// `pictures/valid/NAME.png` below a run folder; of a name all but letters, digits, spaces and `,.-_` becomes `-`.
    #[must_use]
    pub fn path(&self, run: &Path) -> PathBuf {
        let (folder, ending) = self.kind.place();
        let safe = |c: char| if c.is_alphanumeric() || " ,.-_".contains(c) { c } else { '-' };
        let name: String = self.name.chars().map(safe).collect();
        run.join(folder).join(&self.split).join(format!("{name}.{ending}"))
    }

    /// Writes it, in the place of the one before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, run: &Path) -> Result<()> {
        let path = self.path(run);
        let folder = path.parent().unwrap_or(run);
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        write_atomic(&path, &self.bytes)
    }
}

/// All that a run folder holds, in the order of their paths, pictures first; nothing where it has none.
///
/// # Errors
/// [`Error::Io`].
pub fn read_media(run: &Path) -> Result<Vec<Medium>> {
    let mut media = Vec::new();
    for kind in Kind::ALL {
        let (folder, ending) = kind.place();
        for split in listed(&run.join(folder))? {
            for path in listed(&split)? {
                let text = |path: &Path| path.file_stem().map(|name| name.to_string_lossy().into_owned());
                let (Some(name), Some(of)) = (text(&path), text(&split)) else { continue };
                if path.extension().is_some_and(|found| found == ending) {
                    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
                    media.push(Medium { kind, split: of, name, bytes });
                }
            }
        }
    }
    Ok(media)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(Error::io("read", folder))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn media_read_back_in_order_and_are_replaced() {
        let run = tempfile::tempdir().unwrap();
        assert!(read_media(run.path()).unwrap().is_empty());
        let medium = |kind, name: &str, bytes: &[u8]| Medium {
            kind,
            split: "valid".into(),
            name: name.into(),
            bytes: bytes.to_vec(),
        };
        let sound = medium(Kind::Sound, "a", b"wave");
        let [first, second] = [medium(Kind::Picture, "as it is, predicted", b"1"), medium(Kind::Picture, "x", b"2")];
        for written in [&second, &sound, &medium(Kind::Picture, "x", b"old"), &first, &second] {
            written.write(run.path()).unwrap();
        }
        assert_eq!(read_media(run.path()).unwrap(), [first, second, sound]);
        assert!(medium(Kind::Picture, "../x/y", b"").path(Path::new("r")).ends_with("pictures/valid/..-x-y.png"));
    }
}
