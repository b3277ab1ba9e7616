//! Compressed files, unpacked once into a folder under the hash of their content, so that single pictures can be read.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// The file itself or, where it is gzip-compressed, what it holds.
pub(super) fn plain(path: &Path, folder: &Path) -> Result<PathBuf> {
    let mut first = [0; 2];
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let compressed = file.read_exact(&mut first).is_ok() && first == [0x1f, 0x8b];
    if !compressed {
        return Ok(path.to_owned());
    }
    let mut copy = Copy::new(folder, &hash(path)?)?;
    if copy.is_made() {
        return Ok(copy.path.clone());
    }
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(Error::io("read", path))?);
    let mut content = MultiGzDecoder::new(file);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = content
            .read(&mut buffer)
            .map_err(|error| Error::damaged(path, None, format!("damaged or cut-off gzip file: {error}")))?;
        if read == 0 {
            break;
        }
        copy.add(&buffer[..read])?;
    }
    copy.finish()
}

/// The hash of a file's content, as text.
pub(super) fn hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).map_err(Error::io("read", path))?).map_err(Error::io("read", path))?;
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file that is written piece by piece and appears under its name when it is whole.
pub(super) struct Copy {
    path: PathBuf,
    unfinished: PathBuf,
    /// Nothing where the file is there already.
    file: Option<BufWriter<File>>,
    written: u64,
}

impl Copy {
    /// The file `name` in `folder`; where it is there already, nothing is written.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.bin"));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = folder.join(format!("{name}.{}-{number}.part", std::process::id()));
        let file = if path.is_file() {
            None
        } else {
            std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
            Some(BufWriter::new(File::create(&unfinished).map_err(Error::io("write", &unfinished))?))
        };
        Ok(Self { path, unfinished, file, written: 0 })
    }

    fn is_made(&self) -> bool {
        self.file.is_none()
    }

    /// Writes on; where the piece begins.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<u64> {
        let start = self.written;
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(Error::io("write", &self.unfinished))?;
        }
        self.written += bytes.len() as u64;
        Ok(start)
    }

    /// The whole file.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        if let Some(mut file) = self.file.take() {
            file.flush().map_err(Error::io("write", &self.unfinished))?;
            std::fs::rename(&self.unfinished, &self.path).map_err(Error::io("write", &self.path))?;
        }
        Ok(self.path.clone())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What is left of a copy that failed; that it is left matters to nobody.
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}
