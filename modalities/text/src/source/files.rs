//! Which files are read, and with which reader.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::{Document, Flow, Format, Outlet, SourceSettings, archive, jsonl, parquet_table, table, text};
use crate::{Error, Result};

const KNOWN: &str = ".txt, .text, .jsonl, .ndjson, .csv, .tsv, .parquet, .tar or .tgz";

/// The files that `paths` stand for: a file for itself, a folder for the files in it (not those in folders below) whose
/// format is known and whose name does not begin with a dot, sorted by name.
///
/// # Errors
/// A path that cannot be read, a folder without such files, no path at all.
pub fn source_files(paths: &[PathBuf], settings: &SourceSettings) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !std::fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
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
fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "txt" | "text" => Format::Text,
        "jsonl" | "ndjson" => Format::JsonLines,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "parquet" => Format::Parquet,
        "tar" | "tgz" => Format::Tar,
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
    let format = settings.format.or_else(|| format_of(path));
    let format = format.ok_or_else(|| Error::UnknownFormat { path: path.to_owned(), known: KNOWN })?;
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut plain = BufReader::with_capacity(1 << 16, file);
    let compressed = plain.fill_buf().map_err(Error::io("read", path))?.starts_with(&[0x1f, 0x8b]);
    let named_so = path.extension().is_some_and(|ending| ending == "gz" || ending == "tgz");
    let mut outlet = Outlet { file: path.display().to_string().into(), sent: 0, send };
    if format == Format::Parquet {
        parquet_table::read(path, compressed.then_some(plain), settings, &mut outlet)?;
    } else if compressed || named_so {
        let mut unpacked = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain));
        read_stream(&mut unpacked, format, settings, &mut outlet)?;
    } else {
        read_stream(&mut plain, format, settings, &mut outlet)?;
    }
    if outlet.sent == 0 {
        let help = match format {
            Format::Text => "it is empty or blank",
            Format::Tar => {
                "entries ending in .txt or .text, or without an ending, count (see also the setting `inside`)"
            }
            _ => "it has no record whose text is not blank",
        };
        return Err(Error::Empty { place: path.display().to_string(), help }.into());
    }
    Ok(())
}

fn read_stream(reader: &mut dyn BufRead, format: Format, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    match format {
        Format::Text => text::read(reader, settings.unit, outlet),
        Format::JsonLines => jsonl::read(reader, &settings.field, outlet),
        Format::Csv => table::read(reader, b',', settings, outlet),
        Format::Tsv => table::read(reader, b'\t', settings, outlet),
        Format::Tar => archive::read(reader, settings, outlet),
        Format::Parquet => Err(outlet.damaged(None, "parquet cannot be read as a stream").into()),
    }
}

/// Everything a reader gives, for formats that are read back and forth.
pub(super) fn unpack(compressed: impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(compressed).read_to_end(&mut bytes)?;
    Ok(bytes)
}
