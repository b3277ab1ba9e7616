//! Named tensors in `safetensors` files: the same content gives the same bytes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// A tensor outside any device: row-major, little-endian bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorBytes {
    /// Its name, `encoder.layer.0.attention.self.query.weight`.
    pub name: String,
    /// The type of an element.
    pub dtype: Dtype,
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements; as many bytes as shape and dtype say.
    pub bytes: Vec<u8>,
}

impl TensorBytes {
    fn fault(&self) -> Option<String> {
        if self.name.is_empty() || self.name == "__metadata__" {
            return Some("a tensor cannot have this name".into());
        }
        let elements = self.shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        let expected = elements.and_then(|count| count.checked_mul(self.dtype.bitsize())).map(|bits| bits.div_ceil(8));
        match expected {
            Some(expected) if expected == self.bytes.len() => None,
            _ => Some(format!(
                "{} bytes do not fit the shape {:?} of {:?}, which takes {}",
                self.bytes.len(),
                self.shape,
                self.dtype,
                expected.map_or("more than memory holds".into(), |bytes| bytes.to_string())
            )),
        }
    }
}

/// Writes tensors to a new file at `path`, synced, and gives the blake3 hash of its bytes.
///
/// Wide types come first, then names in order, as the format's own writer does it, so that every tensor is aligned; the
/// order of `tensors` does not matter.
///
/// # Errors
/// [`Error::Tensor`] for a name given twice or bytes that do not fit; [`Error::Io`], also when the file exists.
pub fn write_tensors(path: &Path, tensors: &[TensorBytes], metadata: &BTreeMap<String, String>) -> Result<String> {
    let mut order: Vec<&TensorBytes> = tensors.iter().collect();
    order.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
    let header = header(path, &order, metadata)?;

    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Error::io("create", path))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut hash = blake3::Hasher::new();
    let length = (header.len() as u64).to_le_bytes();
    for bytes in [&length[..], &header].into_iter().chain(order.iter().map(|tensor| tensor.bytes.as_slice())) {
        hash.update(bytes);
        out.write_all(bytes).map_err(Error::io("write", path))?;
    }
    let file = out.into_inner().map_err(|error| Error::io("write", path)(error.into_error()))?;
    file.sync_all().map_err(Error::io("sync", path))?;
    Ok(hash.finalize().to_string())
}

fn header(path: &Path, order: &[&TensorBytes], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), json!(metadata));
    }
    let mut offset = 0;
    for tensor in order {
        let refuse = |reason| Error::Tensor { path: path.into(), name: tensor.name.clone(), reason };
        if let Some(fault) = tensor.fault() {
            return Err(refuse(fault));
        }
        let end = offset + tensor.bytes.len();
        let entry = json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end] });
        if header.insert(tensor.name.clone(), entry).is_some() {
            return Err(refuse("it is given twice".into()));
        }
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// A `safetensors` file, mapped: only what is asked for is read.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    map: Mmap,
    header: Metadata,
    data: usize,
}

impl TensorFile {
    /// Opens and checks the header; every tensor is known to lie inside the file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] for a file that is no whole `safetensors` file.
    pub fn open(path: &Path) -> Result<Self> {
        let map = map(path)?;
        let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
        let (length, header) = SafeTensors::read_metadata(&map).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { path: path.into(), data: length + 8, map, header })
    }

    /// All names, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort_unstable();
        names
    }

    /// Free texts stored with the tensors.
    #[must_use]
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Type, shape and bytes of the tensor called `name`, without a copy.
    ///
    /// # Errors
    /// [`Error::Tensor`] when there is none.
    pub fn view(&self, name: &str) -> Result<(Dtype, &[usize], &[u8])> {
        let info = self.header.info(name).ok_or_else(|| Error::Tensor {
            path: self.path.clone(),
            name: name.into(),
            reason: "the file holds no tensor of this name".into(),
        })?;
        let (start, end) = info.data_offsets;
        Ok((info.dtype, &info.shape, &self.map[self.data + start..self.data + end]))
    }

    /// The tensor called `name`, copied out.
    ///
    /// # Errors
    /// [`Error::Tensor`] when there is none.
    pub fn tensor(&self, name: &str) -> Result<TensorBytes> {
        let (dtype, shape, bytes) = self.view(name)?;
        Ok(TensorBytes { name: name.into(), dtype, shape: shape.to_vec(), bytes: bytes.to_vec() })
    }

    /// All tensors by name, copied out.
    ///
    /// # Errors
    /// None that the header does not exclude.
    pub fn tensors(&self) -> Result<Vec<TensorBytes>> {
        self.names().iter().map(|name| self.tensor(name)).collect()
    }
}

/// Maps a whole file for reading.
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    // SAFETY: the mapping is only read. This crate never changes a file in place: a checkpoint is replaced by renaming
    // another over it, which leaves mapped pages as they were.
    unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    pub(crate) fn tensor(name: &str, dtype: Dtype, shape: &[usize], fill: u8) -> TensorBytes {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        TensorBytes { name: name.into(), dtype, shape: shape.into(), bytes: vec![fill; bytes] }
    }

    #[test]
    fn what_goes_in_comes_out_and_order_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let mut tensors = vec![
            tensor("b", Dtype::F32, &[2, 3], 1),
            tensor("a", Dtype::BF16, &[3], 2),
            tensor("count", Dtype::I64, &[], 3),
            tensor("none", Dtype::F32, &[0, 4], 0),
            tensor("c", Dtype::U8, &[5], 4),
        ];
        let metadata: BTreeMap<String, String> =
            (0..20).map(|number| (format!("key{number}"), format!("\"{number}"))).collect();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let hash = write_tensors(&one, &tensors, &metadata).unwrap();
        tensors.reverse();
        assert_eq!(write_tensors(&two, &tensors, &metadata).unwrap(), hash);
        let bytes = std::fs::read(&one).unwrap();
        assert_eq!(bytes, std::fs::read(&two).unwrap());
        assert_eq!(blake3::hash(&bytes).to_string(), hash);

        let file = TensorFile::open(&one).unwrap();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(file.tensors().unwrap(), tensors);
        assert_eq!(file.metadata(), metadata);
        assert_eq!(file.tensor("nothing").unwrap_err().code(), "run/tensor");
        let official = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(official.tensor("b").unwrap().data(), [1; 24]);
        for name in file.names() {
            let (dtype, _, data) = file.view(&name).unwrap();
            assert_eq!(data.as_ptr() as usize % (dtype.bitsize() / 8), 0, "{name} is aligned");
        }
    }

    #[test]
    fn tensors_that_cannot_be_stored_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let twice = [tensor("a", Dtype::F32, &[1], 0), tensor("a", Dtype::I64, &[1], 0)];
        let error = write_tensors(&path, &twice, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("`a`") && error.to_string().contains("twice"), "{error}");
        let mut short = tensor("short", Dtype::F32, &[2], 0);
        short.bytes.pop();
        let error = write_tensors(&path, &[short], &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("7 bytes do not fit the shape [2] of F32, which takes 8"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_cut_anywhere_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_tensors(&path, &[tensor("a", Dtype::F32, &[2], 0)], &BTreeMap::new()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let error = TensorFile::open(&path).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. } | Error::Io { .. }), "cut at {cut}: {error}");
        }
    }
}
