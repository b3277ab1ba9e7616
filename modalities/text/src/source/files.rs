//! Which files are read, and with which reader.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::archive::{self, Members};
use super::{Document, Flow, Format, Outlet, PARALLEL, SourceSettings, columns, jsonl, parquet_table, table, text};
use crate::{Error, Result};

pub(super) const KNOWN: &str = ".txt, .text, .jsonl, .ndjson, .csv, .tsv, .conll, .parquet, .tar, .tgz or .zip";

/// The archive and the glob over its members of a path such as `novels.tar.gz#train/*`, in which `*` stands for any letters,
/// `/` too, and `?` for one. A path without `#`, or that is there as it stands, is whole.
#[must_use]
pub fn split_members(path: &Path) -> (PathBuf, Option<String>) {
    match path.to_str().and_then(|text| text.split_once('#')) {
        Some((archive, members)) if !path.exists() => (archive.into(), Some(members.to_owned())),
        _ => (path.to_owned(), None),
    }
}

/// The files that `paths` stand for: a file for itself, members of an archive ([`split_members`]) too, a folder for the files
/// in it (not those in folders below) whose format is known and whose name does not begin with a dot, sorted by name; in the
/// format [`Format::Snips`] a folder stands for itself.
///
/// # Errors
/// A path that cannot be read, a folder without such files, no path at all.
pub fn source_files(paths: &[PathBuf], settings: &SourceSettings) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let (archive, _) = split_members(path);
        let is_folder = std::fs::metadata(&archive).map_err(Error::io("read", &archive))?.is_dir();
        if settings.format == Some(Format::Snips) {
            let missing = PARALLEL.iter().find(|name| !path.join(name).is_file());
            if let Some(name) = missing.filter(|_| is_folder) {
                return Err(Error::Io {
                    action: "read",
                    path: path.join(name),
                    source: std::io::ErrorKind::NotFound.into(),
                });
            }
            if !is_folder {
                let help = "name a folder with the files seq.in, seq.out and label";
                return Err(Error::Empty { place: path.display().to_string(), help });
            }
        }
        if !is_folder || settings.format == Some(Format::Snips) {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(Error::io("read", path))? {
            let file = entry.map_err(Error::io("read", path))?.path();
            let hidden = file.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if !hidden && file.is_file() && (settings.format.is_some() || format_of(&file).is_some()) {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            let help = "put files ending in .txt, .jsonl, .csv, .tsv, .parquet or .tar there, or name the files";
            return Err(Error::Empty { place: path.display().to_string(), help });
        }
        inside.sort();
        files.append(&mut inside);
    }
    if files.is_empty() {
        return Err(Error::Empty { place: "the list of files".to_owned(), help: "name a file or a folder" });
    }
    Ok(files)
}

/// Format by the ending of the name, a final `.gz` aside.
pub(super) fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "txt" | "text" => Format::Text,
        "jsonl" | "ndjson" => Format::JsonLines,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "parquet" => Format::Parquet,
        "conll" => Format::Conll,
        "tar" | "tgz" => Format::Tar,
        "zip" => Format::Zip,
        _ => return None,
    })
}

pub(super) fn read_all(paths: &[PathBuf], settings: &SourceSettings, send: &mut dyn FnMut(Document) -> Flow) -> Flow {
    for path in source_files(paths, settings)? {
        read_file(&path, settings, send)?;
    }
    Ok(())
}

fn read_file(path: &Path, settings: &SourceSettings, send: &mut dyn FnMut(Document) -> Flow) -> Flow {
    let (file_path, glob) = split_members(path);
    let (path, place) = (file_path.as_path(), path);
    // Of an archive whose members are chosen, the format of the settings is theirs.
    let format = if glob.is_some() { format_of(path) } else { settings.format.or_else(|| format_of(path)) };
    let format = format.ok_or_else(|| Error::UnknownFormat { path: path.to_owned(), known: KNOWN })?;
    let mut outlet = Outlet { file: path.display().to_string().into(), sent: 0, send };
    if glob.is_some() && !matches!(format, Format::Tar | Format::Zip) {
        let reason = "`#` names members of an archive, and this is none: .tar, .tar.gz, .tgz and .zip are";
        return Err(outlet.damaged(None, reason).into());
    }
    if format == Format::Snips {
        columns::parallel(path, settings, &mut outlet)?;
    } else if format == Format::Zip {
        archive::zip(path, Members::new(glob.as_deref(), settings), &mut outlet)?;
    } else {
        read_packed(path, format, glob.as_deref(), settings, &mut outlet)?;
    }
    if outlet.sent == 0 {
        let help = match format {
            Format::Text => "it is empty or blank",
            Format::Tar | Format::Zip => {
                "entries ending in .txt or .text, or without an ending, count; choose others behind a `#`: `a.tar#data/*.csv`"
            }
            _ => "it has no record whose text is not blank",
        };
        return Err(Error::Empty { place: place.display().to_string(), help }.into());
    }
    Ok(())
}

/// Reads a file that may be gzip-compressed.
fn read_packed(
    path: &Path,
    format: Format,
    glob: Option<&str>,
    settings: &SourceSettings,
    outlet: &mut Outlet<'_>,
) -> Flow {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut plain = BufReader::with_capacity(1 << 16, file);
    let compressed = plain.fill_buf().map_err(Error::io("read", path))?.starts_with(&[0x1f, 0x8b]);
    let named_so = path.extension().is_some_and(|ending| ending == "gz" || ending == "tgz");
    if format == Format::Parquet {
        return parquet_table::read(path, compressed.then_some(plain), settings, outlet);
    }
    let mut unpacked;
    let reader: &mut dyn BufRead = if compressed || named_so {
        unpacked = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain));
        &mut unpacked
    } else {
        &mut plain
    };
    match format {
        Format::Tar => archive::tar(reader, Members::new(glob, settings), outlet),
        _ => read_stream(reader, format, settings, outlet),
    }
}

/// Reads a stream in a format that needs no going back.
pub(super) fn read_stream(
    reader: &mut dyn BufRead,
    format: Format,
    settings: &SourceSettings,
    outlet: &mut Outlet<'_>,
) -> Flow {
    match format {
        Format::Text => text::read(reader, settings.unit, outlet),
        Format::JsonLines => jsonl::read(reader, settings, outlet),
        Format::Csv => table::read(reader, b',', settings, outlet),
        Format::Tsv => table::read(reader, b'\t', settings, outlet),
        Format::Conll => columns::conll(reader, settings, outlet),
        Format::Trec => columns::trec(reader, settings, outlet),
        Format::Brown => columns::brown(reader, settings, outlet),
        Format::Parquet | Format::Snips | Format::Tar | Format::Zip => {
            Err(outlet.damaged(None, "files of this format cannot be read from inside an archive: unpack it").into())
        }
    }
}

/// Everything a reader gives, for formats that are read back and forth.
pub(super) fn unpack(compressed: impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(compressed).read_to_end(&mut bytes)?;
    Ok(bytes)
}
