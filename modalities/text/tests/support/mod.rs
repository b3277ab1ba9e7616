//! What the tests of this crate share: fixtures of the repository, files made on the spot.
#![allow(clippy::unwrap_used, dead_code, reason = "tests; each test program uses some of it")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use modality_text::{Document, Error, SourceSettings, Tokenizer, documents};
use serde_json::Value;

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
}

pub(crate) fn unpacked(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(data().join("tokenizers").join(name)).unwrap();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

pub(crate) fn published(name: &str) -> Tokenizer {
    Tokenizer::from_json(&unpacked(&format!("{name}.tokenizer.json.gz"))).unwrap()
}

pub(crate) fn records(name: &str) -> Vec<Value> {
    let text = String::from_utf8(unpacked(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn file(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn read(path: &Path, settings: &SourceSettings) -> Result<Vec<Document>, Error> {
    documents(&[path.to_owned()], settings).collect()
}

pub(crate) fn texts(path: &Path, settings: &SourceSettings) -> Vec<String> {
    read(path, settings).unwrap().into_iter().map(|document| document.text).collect()
}

pub(crate) fn train_text() -> Vec<Document> {
    let files =
        ["Chesterton_Thursday_1908.txt", "Doyle_Hound_1902.txt"].map(|name| data().join("text/train").join(name));
    documents(&files, &SourceSettings::default()).collect::<Result<_, _>>().unwrap()
}
