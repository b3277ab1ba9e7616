//! Tar archives of plain text files.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Flow, Outlet, SourceSettings, text};

pub(super) fn read(reader: &mut dyn BufRead, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let archive_name = outlet.file.clone();
    let mut archive = tar::Archive::new(reader);
    let broken = |error: std::io::Error| format!("damaged archive: {error}");
    let entries = archive.entries().map_err(|error| outlet.damaged(None, broken(error)))?;
    for entry in entries {
        let entry = entry.map_err(|error| outlet.damaged(None, broken(error)))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let wanted = path.trim_start_matches("./").starts_with(&settings.inside);
        if !wanted || !entry.header().entry_type().is_file() || !is_text(Path::new(&path)) {
            continue;
        }
        let size = entry.size();
        let mut counted = Counted { inner: entry, read: 0 };
        let mut inside = Outlet { file: format!("{archive_name}: {path}").into(), sent: 0, send: &mut *outlet.send };
        text::read(&mut BufReader::with_capacity(1 << 16, &mut counted), settings.unit, &mut inside)?;
        // The archive's reader takes the end of a cut-off file for the end of the entry.
        if counted.read < size {
            let reason = format!("damaged archive: it ends after {} of {size} bytes of this entry", counted.read);
            return Err(inside.damaged(None, reason).into());
        }
        outlet.sent += inside.sent;
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && matches!(ending.as_deref(), None | Some("txt" | "text"))
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}
