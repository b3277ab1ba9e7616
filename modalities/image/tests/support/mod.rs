//! The stored pictures, and what Pillow and torchvision make of them.

#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses some of it; tests")]

use std::path::PathBuf;

use modality_image::{DecodeSettings, Picture, SourceSettings};
use serde_json::Value as Json;

pub(crate) const SETTINGS: DecodeSettings =
    DecodeSettings { channels: 3, background: [255; 3], most_pixels: 1_000_000 };
pub(crate) const GREY: DecodeSettings = DecodeSettings { channels: 1, ..SETTINGS };

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// Shape and bytes of a case; `size` is that of one number.
pub(crate) fn expected(name: &str, size: usize) -> (Vec<usize>, Vec<u8>) {
    let cases: Json = serde_json::from_slice(&bytes("expected.json")).unwrap();
    let case = &cases[name];
    let shape: Vec<usize> =
        case["shape"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap() as usize).collect();
    let at = case["at"].as_u64().unwrap() as usize;
    let count = shape.iter().product::<usize>() * size;
    (shape, bytes("expected.bin")[at..at + count].to_vec())
}

pub(crate) fn expected_picture(name: &str) -> Picture {
    let (shape, pixels) = expected(name, 1);
    Picture { height: shape[0], width: shape[1], channels: shape[2], pixels }
}

/// The largest and the mean difference of two pictures of one shape.
pub(crate) fn difference(found: &Picture, expected: &Picture) -> (u8, f64) {
    assert_eq!(
        (found.height, found.width, found.channels, found.pixels.len()),
        (expected.height, expected.width, expected.channels, expected.pixels.len())
    );
    let differences = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (differences.max().unwrap(), sum as f64 / found.pixels.len() as f64)
}

pub(crate) fn sources(unpacked: &std::path::Path) -> SourceSettings {
    SourceSettings { field: "image".into(), label_field: "label".into(), unpacked: unpacked.to_owned() }
}
