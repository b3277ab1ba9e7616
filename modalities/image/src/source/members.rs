//! Tar archives: trees of pictures, and WebDataset's, where members that differ in their ending alone are one sample.
//!
//! Beside `a.jpg` may lie `a.cls` (its label), `a.json` (its label under the settings' key) and `a.txt` (a caption).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;

use super::folder::class_of;
use super::unpack::plain;
use super::{Found, Gathered, Kind, Place, SourceSettings, kind, label_of};
use crate::{Error, Result};

/// What stands beside a picture is read up to this size.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Default)]
struct Beside {
    class: Option<String>,
    json: Option<Json>,
    text: Option<String>,
}

pub(super) fn read(path: &Path, glob: Option<&str>, settings: &SourceSettings, gathered: &mut Gathered) -> Result<()> {
    let broken = |error: std::io::Error| Error::damaged(path, None, format!("damaged archive: {error}"));
    let unpacked = plain(path, &settings.unpacked)?;
    let number = gathered.file(&unpacked);
    let mut archive = tar::Archive::new(File::open(&unpacked).map_err(Error::io("read", &unpacked))?);
    let (mut pictures, mut others, mut beside) = (Vec::new(), Vec::new(), HashMap::<String, Beside>::new());
    for entry in archive.entries_with_seek().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let hidden = name.rsplit('/').next().is_none_or(|file| file.starts_with('.'));
        if hidden || !entry.header().entry_type().is_file() {
            continue;
        }
        let Some((stem, ending)) = name.rsplit_once('.') else { continue };
        if kind(Path::new(&name)) == Some(Kind::Picture) {
            if glob.is_some_and(|glob| !matches(glob.as_bytes(), name.as_bytes())) {
                others.push(name);
                continue;
            }
            let place = Place { file: number, offset: entry.raw_file_position(), bytes: entry.size(), raw: None };
            pictures.push((stem.to_owned(), name, place));
        } else if matches!(ending, "cls" | "json" | "txt") && entry.size() <= MOST_BYTES {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            let at = beside.entry(stem.to_owned()).or_default();
            match ending {
                "cls" => at.class = Some(text),
                "txt" => at.text = Some(text),
                _ => {
                    let json = serde_json::from_str(&text);
                    at.json = Some(json.map_err(|error| {
                        Error::damaged(path, None, format!("its member `{name}` is no JSON: {error}"))
                    })?);
                }
            }
        }
    }
    if let Some(glob) = glob.filter(|_| pictures.is_empty()) {
        return Err(Error::NoMember { place: path.display().to_string(), glob: glob.to_owned(), known: others });
    }
    let root = glob.map_or(0, fixed_part);
    for (stem, name, place) in pictures {
        let beside = beside.get(&stem);
        let of_json = |key: &str| label_of(beside.and_then(|beside| beside.json.as_ref()?.get(key)));
        let label = beside
            .and_then(|beside| beside.class.clone())
            .or_else(|| of_json(&settings.label_field))
            .or_else(|| class_of(name.get(root..)?));
        let caption = beside.and_then(|beside| beside.text.clone()).or_else(|| of_json("caption"));
        gathered.found.push(Found { place, name: format!("{}: {name}", path.display()), label, caption });
    }
    Ok(())
}

/// Letters of a glob up to the last `/` before its first wildcard: the folder that all its members lie in.
fn fixed_part(glob: &str) -> usize {
    let fixed = &glob[..glob.find(['*', '?']).unwrap_or(glob.len())];
    fixed.rfind('/').map_or(0, |at| at + 1)
}

/// Whether a name matches a glob: `*` stands for any letters, `?` for one byte.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    // The place behind the last `*`, and the name's place that it was tried at last: where the rest does not fit, the `*` takes
    // one letter more.
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if glob.get(g) == Some(&b'*') {
            g += 1;
            star = Some((g, n));
        } else if glob.get(g).is_some_and(|sign| *sign == b'?' || *sign == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((behind, tried)) = star {
            (g, n) = (behind, tried + 1);
            star = Some((behind, tried + 1));
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|sign| *sign == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_choose_members_and_name_the_folder_of_classes() {
        for (glob, name, fits) in [
            ("*", "a/b.png", true),
            ("train/*", "train/cat/1.jpg", true),
            ("train/*", "trains/1.jpg", false),
            ("*/1?.jpg", "a/b/12.jpg", true),
            ("*/1?.jpg", "a/b/1.jpg", false),
            ("a*b*c", "abbbcbc", true),
            ("a", "ab", false),
            ("", "", true),
        ] {
            assert_eq!(matches(glob.as_bytes(), name.as_bytes()), fits, "{glob} {name}");
        }
        assert_eq!(fixed_part("cifar10/train/*"), 14);
        assert_eq!(fixed_part("cifar10/tr*/x"), 8);
        assert_eq!(fixed_part("*.jpg"), 0);
        assert_eq!(class_of("cat/1.jpg").as_deref(), Some("cat"));
        assert_eq!(class_of("a/cat/1.jpg"), None);
        assert_eq!(class_of("1.jpg"), None);
    }
}
