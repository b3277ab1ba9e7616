//! A `safetensors` file filled piece by piece: tensors too large to be held whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use crate::atomic::{parent, sync_folder, unfinished_beside};
use crate::error::{Error, Result};

/// A file under construction. Every element is zero until it is written; the file gets its name when it is finished, and
/// is removed if it never is.
#[derive(Debug)]
pub struct TensorWriter {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    /// Start and length in bytes by name.
    places: BTreeMap<String, (u64, u64)>,
    finished: bool,
}

impl TensorWriter {
    /// Begins the file that will be at `path`, with tensors of these names, types and shapes.
    ///
    /// # Errors
    /// [`Error::Io`], also when there is something at `path`; [`Error::Tensor`] for a name given twice or a size past memory.
    /// [`Error::Io`].
    pub fn create(
        path: &Path,
        tensors: &[(&str, Dtype, Vec<usize>)],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            let exists = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "it is there already");
            return Err(Error::io("create", path)(exists));
        }
        let mut order: Vec<_> = tensors.iter().collect();
        order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let mut header = Map::new();
        if !metadata.is_empty() {
            header.insert("__metadata__".into(), json!(metadata));
        }
        let (mut places, mut offset) = (BTreeMap::new(), 0u64);
        for (name, dtype, shape) in order {
            let refuse =
                |reason: &str| Error::Tensor { path: path.into(), name: (*name).to_owned(), reason: reason.into() };
            let elements = shape.iter().try_fold(1u64, |product, extent| product.checked_mul(*extent as u64));
            let bytes =
                elements.and_then(|count| count.checked_mul(dtype.bitsize() as u64)).map(|bits| bits.div_ceil(8));
            let end =
                bytes.and_then(|bytes| offset.checked_add(bytes)).ok_or_else(|| refuse("it is past all memory"))?;
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] });
            if header.insert((*name).to_owned(), entry).is_some() {
                return Err(refuse("it is given twice"));
            }
            places.insert((*name).to_owned(), (offset, end - offset));
            offset = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let start = 8 + header.len() as u64;
        places.values_mut().for_each(|(place, _)| *place += start);
        let beside = unfinished_beside(path);
        let file = OpenOptions::new().write(true).create_new(true).open(&beside).map_err(Error::io("create", path))?;
        let mut writer = Self { path: path.into(), beside, file, places, finished: false };
        let written = writer
            .file
            .write_all(&(header.len() as u64).to_le_bytes())
            .and_then(|()| writer.file.write_all(&header))
            .and_then(|()| writer.file.set_len(start + offset));
        written.map_err(Error::io("write", path))?;
        Ok(writer)
    }

    /// Writes bytes into the tensor `name`, `offset` bytes behind its first.
    ///
    /// # Errors
    /// [`Error::Tensor`] when there is no such tensor or the bytes reach past its end; [`Error::Io`].
    pub fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let refuse = |reason: &str| Error::Tensor { path: self.path.clone(), name: name.into(), reason: reason.into() };
        let (start, length) = *self.places.get(name).ok_or_else(|| refuse("it was not announced"))?;
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > length) {
            return Err(refuse("bytes reach past its end"));
        }
        let sought = self.file.seek(SeekFrom::Start(start + offset));
        sought.and_then(|_| self.file.write_all(bytes)).map_err(Error::io("write", &self.path))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`], also when something has taken the name since.
    pub fn finish(mut self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("sync", &self.path))?;
        // A link, unlike a rename, never replaces what is there.
        fs::hard_link(&self.beside, &self.path).map_err(Error::io("create", &self.path))?;
        self.finished = true;
        fs::remove_file(&self.beside).map_err(Error::io("remove", &self.beside))?;
        sync_folder(parent(&self.path))
    }
}

impl Drop for TensorWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is left under a name that tells what it is.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::TensorFile;

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = [("a", Dtype::F32, vec![2, 2]), ("b", Dtype::I64, vec![1]), ("none", Dtype::F32, vec![0])];
        let mut writer = TensorWriter::create(&path, &tensors, &BTreeMap::new()).unwrap();
        writer.write_at("a", 12, &4f32.to_le_bytes()).unwrap();
        writer.write_at("b", 0, &7i64.to_le_bytes()).unwrap();
        writer.write_at("a", 0, &1f32.to_le_bytes()).unwrap();
        assert!(writer.write_at("a", 13, &[0; 4]).is_err() && writer.write_at("c", 0, &[]).is_err());
        assert!(!path.exists());
        writer.finish().unwrap();
        let file = TensorFile::open(&path).unwrap();
        let numbers: Vec<f32> =
            file.view("a").unwrap().2.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(numbers, [1.0, 0.0, 0.0, 4.0]);
        assert_eq!(file.view("b").unwrap().2, 7i64.to_le_bytes());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let before = fs::read(&path).unwrap();
        assert!(TensorWriter::create(&path, &tensors, &BTreeMap::new()).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
        drop(TensorWriter::create(&folder.path().join("y"), &tensors, &BTreeMap::new()).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
