//! `safetensors` files read and written without the program's own code.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

/// A tensor as it lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// `F32`, `I64`, ….
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes, little-endian.
    pub bytes: Vec<u8>,
}

impl Stored {
    /// Its numbers.
    ///
    /// # Panics
    /// When they are not f32.
    #[must_use]
    pub fn numbers(&self) -> Vec<f32> {
        assert_eq!(self.dtype, "F32");
        self.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

/// The tensors of a file by name.
///
/// # Panics
/// When the file is not whole.
#[must_use]
pub fn read_tensors(path: &Path) -> BTreeMap<String, Stored> {
    let data = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let length = u64::from_le_bytes(data[..8].try_into().expect("8 bytes")) as usize;
    let header: Map<String, Json> = serde_json::from_slice(&data[8..8 + length]).expect("a header");
    let mut tensors = BTreeMap::new();
    for (name, entry) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let number = |value: &Json| value.as_u64().expect("a number") as usize;
        let [start, end] = [0, 1].map(|at| number(&entry["data_offsets"][at]) + 8 + length);
        let shape = entry["shape"].as_array().expect("a shape").iter().map(number).collect();
        let dtype = entry["dtype"].as_str().expect("a type").to_owned();
        tensors.insert(name, Stored { dtype, shape, bytes: data[start..end].to_vec() });
    }
    tensors
}

/// Writes a file with these tensors.
///
/// # Panics
/// When the disk refuses.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Stored>) {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, tensor) in tensors {
        let end = data.len() + tensor.bytes.len();
        let entry = json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [data.len(), end] });
        header.insert(name.clone(), entry);
        data.extend_from_slice(&tensor.bytes);
    }
    let mut header = Json::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    std::fs::write(path, file).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// The largest difference of two tensors of one shape.
///
/// # Panics
/// When the shapes differ.
#[must_use]
#[track_caller]
pub fn difference(a: &Stored, b: &Stored) -> f32 {
    assert_eq!(a.shape, b.shape);
    a.numbers().iter().zip(b.numbers()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
