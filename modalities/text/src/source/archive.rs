//! Tar and zip archives: their text files, or the members that a glob chooses.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::files::{KNOWN, format_of, read_stream};
use super::zip::Zip;
use super::{Flow, Format, Outlet, SourceSettings};
use crate::Error;

/// Which members of an archive are read, and what happened so far.
pub(super) struct Members<'a> {
    /// A glob over their paths: `*` stands for any letters, `/` too, `?` for one; without one, plain text alone.
    pub(super) glob: Option<&'a str>,
    pub(super) settings: &'a SourceSettings,
    read: usize,
    others: Vec<String>,
}

impl<'a> Members<'a> {
    pub(super) fn new(glob: Option<&'a str>, settings: &'a SourceSettings) -> Self {
        Self { glob, settings, read: 0, others: Vec::new() }
    }

    /// The format in which the member `path` is read; `None` to pass it over.
    fn format(&mut self, path: &str) -> Result<Option<Format>, Error> {
        let told = self.settings.format.filter(|format| !matches!(format, Format::Tar | Format::Zip));
        let file = Path::new(path);
        let hidden = file.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let format = match self.glob {
            _ if hidden => return Ok(None),
            None if is_text(file) => told.unwrap_or(Format::Text),
            Some(glob) if matches_glob(glob, path.trim_start_matches("./")) => match told.or_else(|| format_of(file)) {
                Some(format) => format,
                None if file.extension().is_none() => Format::Text,
                None => return Err(Error::UnknownFormat { path: file.to_owned(), known: KNOWN }),
            },
            _ => {
                self.others.push(path.to_owned());
                return Ok(None);
            }
        };
        self.read += 1;
        Ok(Some(format))
    }

    /// # Errors
    /// When the glob chose nothing.
    fn finish(self, outlet: &Outlet<'_>) -> Flow {
        match self.glob {
            Some(glob) if self.read == 0 => {
                Err(Error::NoMember { place: outlet.file.to_string(), glob: glob.to_owned(), known: self.others }
                    .into())
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn tar(reader: &mut dyn BufRead, mut members: Members<'_>, outlet: &mut Outlet<'_>) -> Flow {
    let mut archive = tar::Archive::new(reader);
    let broken = |error: std::io::Error| format!("damaged archive: {error}");
    let entries = archive.entries().map_err(|error| outlet.damaged(None, broken(error)))?;
    for entry in entries {
        let entry = entry.map_err(|error| outlet.damaged(None, broken(error)))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(format) = members.format(&path)? else { continue };
        let size = entry.size();
        member(outlet, &path, entry, size, None, format, members.settings)?;
    }
    members.finish(outlet)
}

pub(super) fn zip(path: &Path, mut members: Members<'_>, outlet: &mut Outlet<'_>) -> Flow {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let damaged = |reason: String| outlet.damaged(None, format!("damaged archive: {reason}"));
    let mut zip = Zip::open(BufReader::new(file)).map_err(damaged)?;
    for number in 0..zip.entries.len() {
        let (name, size, sum) = {
            let entry = &zip.entries[number];
            (entry.name.clone(), entry.size, entry.sum)
        };
        if name.ends_with('/') {
            continue;
        }
        let Some(format) = members.format(&name)? else { continue };
        let content = zip.read(number).map_err(|reason| outlet.damaged(None, format!("damaged archive: {reason}")))?;
        member(outlet, &name, content, size, Some(sum), format, members.settings)?;
    }
    members.finish(outlet)
}

/// Reads one member and checks that it was whole: by its size, and where there is one by its sum.
fn member(
    outlet: &mut Outlet<'_>,
    path: &str,
    content: impl Read,
    size: u64,
    sum: Option<u32>,
    format: Format,
    settings: &SourceSettings,
) -> Flow {
    let mut counted = Counted { inner: content, read: 0, sum: flate2::Crc::new() };
    let mut inside = Outlet { file: format!("{}: {path}", outlet.file).into(), sent: 0, send: &mut *outlet.send };
    read_stream(&mut BufReader::with_capacity(1 << 16, &mut counted), format, settings, &mut inside)?;
    // The archive's reader takes the end of a cut-off file for the end of the entry.
    if counted.read < size {
        let reason = format!("damaged archive: it ends after {} of {size} bytes of this entry", counted.read);
        return Err(inside.damaged(None, reason).into());
    }
    if sum.is_some_and(|sum| sum != counted.sum.sum()) {
        return Err(inside.damaged(None, "damaged archive: its check sum is not that of its content").into());
    }
    outlet.sent += inside.sent;
    Ok(())
}

fn is_text(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    matches!(ending.as_deref(), None | Some("txt" | "text"))
}

/// Whether `name` matches `glob`, in which `*` stands for any letters and `?` for one.
pub(super) fn matches_glob(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    // Whether the glob so far matches the first letters of the name, for each number of them.
    let mut reached: Vec<bool> = (0..=name.len()).map(|letters| letters == 0).collect();
    for sign in glob {
        let before = reached.clone();
        for letters in 0..=name.len() {
            reached[letters] = match sign {
                '*' => before[letters] || letters > 0 && reached[letters - 1],
                sign => letters > 0 && before[letters - 1] && (sign == '?' || sign == name[letters - 1]),
            };
        }
    }
    reached[name.len()]
}

struct Counted<R> {
    inner: R,
    read: u64,
    sum: flate2::Crc,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::matches_glob;

    #[test]
    fn globs_match_whole_paths() {
        for (glob, name, matches) in [
            ("*", "a/b", true),
            ("train/*", "train/x.txt", true),
            ("train/*", "valid/x.txt", false),
            ("*/ca0?", "brown/ca01", true),
            ("*/ca0?", "brown/ca012", false),
            ("a*b*c", "aXbYbZc", true),
            ("", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches_glob(glob, name), matches, "{glob} {name}");
        }
    }
}
