//! Plugin files with faults, made from good ones.

use std::path::PathBuf;

use crate::sandbox::Sandbox;

/// The library of a built plugin.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn plugin_file(name: &str) -> PathBuf {
    let (before, after) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Sandbox::built(&format!("{before}{}{after}", name.replace('-', "_")))
}

/// The bytes of a plugin's library with `from` in its manifest replaced by `to`, which is as long.
///
/// # Panics
/// When the lengths differ or the manifest has no such text.
#[must_use]
pub fn patched(name: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "a patch keeps the length");
    let file = plugin_file(name);
    let mut data = std::fs::read(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    let manifest = format!("{{\"name\":\"{name}\"");
    let start = place(&data, manifest.as_bytes())
        .unwrap_or_else(|| panic!("{} has no manifest that begins {manifest}", file.display()));
    let offset = place(&data[start..], from.as_bytes())
        .unwrap_or_else(|| panic!("the manifest of {} has no {from}", file.display()));
    data[start + offset..start + offset + from.len()].copy_from_slice(to.as_bytes());
    data
}

fn place(data: &[u8], wanted: &[u8]) -> Option<usize> {
    data.windows(wanted.len()).position(|window| window == wanted)
}
