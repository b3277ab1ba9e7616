//! The same pictures out of every kind of file, with their labels; damaged ones refused or left out.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};

use modality_image::{Corrupt, DecodeSettings, Error, Index};
use support::{GREY, SETTINGS, expected, fixture, sources};

fn build(paths: &[PathBuf], settings: DecodeSettings, corrupt: Corrupt) -> Result<Index, Error> {
    let unpacked = tempfile::tempdir().unwrap();
    // Opened files stay readable in the folder's life alone, so it is left to the system to clear.
    Index::build(paths, &sources(&unpacked.keep()), settings, corrupt)
}

/// Picture `number` of the four stored ones, red, green and blue.
fn four(number: usize) -> Vec<u8> {
    let (shape, pixels) = expected("fours", 1);
    let count: usize = shape[1..].iter().product();
    pixels[number * count..(number + 1) * count].to_vec()
}

fn labels(index: &Index) -> Vec<Option<&str>> {
    (0..index.len()).map(|picture| index.label(picture)).collect()
}

#[test]
fn a_webdataset_groups_members_by_their_stem() {
    let index = build(&[fixture("samples.tar.gz")], SETTINGS, Corrupt::Refuse).unwrap();
    assert_eq!(index.len(), 4);
    for number in 0..4 {
        assert_eq!(index.picture(number).unwrap().pixels, four(number));
        assert_eq!(index.size(number), [8, 8]);
    }
    assert_eq!(labels(&index), [Some("0"), Some("1"), Some("j0"), Some("j1")]);
    assert_eq!((index.caption(1), index.caption(2)), (Some("picture 1"), Some("from json 2")));
    assert!(index.name(3).ends_with("samples.tar.gz: part/003.png"), "{}", index.name(3));

    let path = |glob: &str| [PathBuf::from(format!("{}#{glob}", fixture("samples.tar.gz").display()))];
    let some = build(&path("part/*2.png"), SETTINGS, Corrupt::Refuse).unwrap();
    assert_eq!((some.len(), some.label(0)), (1, Some("j0")));
    let error = build(&path("whole/*"), SETTINGS, Corrupt::Refuse).unwrap_err().to_string();
    assert!(error.contains("`whole/*`") && error.contains("part/000.png"), "{error}");
}

#[test]
fn a_table_gives_pictures_and_labels() {
    let index = build(&[fixture("samples.parquet")], SETTINGS, Corrupt::Refuse).unwrap();
    assert_eq!(labels(&index), [Some("3"), Some("1"), Some("3"), Some("2")]);
    for number in 0..4 {
        assert_eq!(index.picture(number).unwrap().pixels, four(number));
    }
    let names = index.labels();
    assert_eq!(names, ["1", "2", "3"]);
    assert_eq!(index.class(0, &names).unwrap(), 2);
    // A number that is no name counts the names.
    let words = ["a", "b", "c", "d"].map(str::to_owned);
    assert_eq!(index.class(0, &words).unwrap(), 3);
    let error = index.class(0, &words[..3]).unwrap_err().to_string();
    assert!(error.contains("row 1") && error.contains("`3`") && error.contains("`a`"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let mut settings = sources(folder.path());
    settings.field = "plain".into();
    let plain = Index::build(&[fixture("samples.parquet")], &settings, SETTINGS, Corrupt::Refuse).unwrap();
    assert_eq!(plain.picture(2).unwrap().pixels, four(2));
    assert_eq!(plain.fingerprint(), index.fingerprint());
    settings.field = "picture".into();
    let error =
        Index::build(&[fixture("samples.parquet")], &settings, SETTINGS, Corrupt::Refuse).unwrap_err().to_string();
    assert!(error.contains("`picture`") && error.contains("`plain`"), "{error}");
}

#[test]
fn idx_files_bring_the_labels_that_lie_beside_them() {
    let index = build(&[fixture("tiny-images-idx3-ubyte.gz")], GREY, Corrupt::Refuse).unwrap();
    assert_eq!(labels(&index), [Some("7"), Some("0"), Some("7"), Some("10")]);
    assert_eq!(index.labels(), ["0", "7", "10"]);
    for number in 0..4 {
        let red: Vec<u8> = four(number).into_iter().step_by(3).collect();
        assert_eq!(index.picture(number).unwrap().pixels, red);
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (bytes, words) in [
        (&[0, 0, 8, 3, 0, 0][..], "cut off"),
        (&[1, 2, 3, 4, 5], "no IDX"),
        (&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3], "19 bytes"),
        (&[0, 0, 8, 1, 0, 0, 0, 1, 1], "axes"),
        (&[0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], "axes"),
    ] {
        let error = build(&[write("x-idx3-ubyte", bytes)], GREY, Corrupt::Skip).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// A folder of two classes with one damaged picture.
fn tree(folder: &Path) {
    for (class, name) in [("cat", "colour.png"), ("cat", "cut-off.jpg"), ("dog", "colour.jpg"), ("dog", "lossy.webp")] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        std::fs::copy(fixture(name), folder.join(class).join(name)).unwrap();
    }
    std::fs::write(folder.join("cat/notes.md"), "passed over").unwrap();
    std::fs::write(folder.join("cat/.hidden.png"), "passed over").unwrap();
}

#[test]
fn damaged_pictures_are_refused_by_name_or_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let error = build(&[folder.path().into()], SETTINGS, Corrupt::Refuse).unwrap_err().to_string();
    assert!(error.contains("cut-off.jpg") && error.contains("damaged = \"skip\""), "{error}");
    let index = build(&[folder.path().into()], SETTINGS, Corrupt::Skip).unwrap();
    assert_eq!(labels(&index), [Some("cat"), Some("dog"), Some("dog")]);
    assert_eq!(index.skipped().len(), 1);
    assert!(index.skipped()[0].name.ends_with("cut-off.jpg") && index.skipped()[0].reason.contains("cut off"));
    // The numbers that draws go by do not depend on what was left out.
    assert_eq!((0..3).map(|picture| index.number(picture)).collect::<Vec<_>>(), [0, 2, 3]);
    let small = DecodeSettings { most_pixels: 10, ..SETTINGS };
    let error = build(&[folder.path().into()], small, Corrupt::Skip).unwrap_err().to_string();
    assert!(error.contains("all 4 pictures") && error.contains("most_pixels"), "{error}");
    // What shows only in decoding is known beforehand where it is to be left out.
    std::fs::copy(fixture("short-rows.png"), folder.path().join("cat/short.png")).unwrap();
    assert_eq!(build(&[folder.path().into()], SETTINGS, Corrupt::Skip).unwrap().skipped().len(), 2);
    let one = build(&[folder.path().join("cat/short.png")], SETTINGS, Corrupt::Refuse).unwrap();
    assert!(one.picture(0).unwrap_err().to_string().contains("short.png"));
}

#[test]
fn a_manifest_names_pictures_from_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let write = |text: &str| {
        let path = folder.path().join("list.jsonl");
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = write(
        "{\"image\": \"dog/colour.jpg\", \"label\": 4, \"caption\": \"a dog\"}\n\n{\"image\": \"cat/colour.png\"}\n",
    );
    let index = build(&[good], SETTINGS, Corrupt::Refuse).unwrap();
    assert_eq!((labels(&index), index.caption(0)), (vec![Some("4"), None], Some("a dog")));
    assert!(index.class(1, &index.labels()).unwrap_err().to_string().contains("has no label"));
    for (text, words) in [
        ("{\"image\": \"dog/none.jpg\"}", "line 1"),
        ("{\"image\": \"dog/colour.jpg\"}\nnothing", "line 2"),
        ("{\"picture\": \"dog/colour.jpg\"}", "`picture`"),
        ("[1]", "no JSON object"),
        ("{\"image\": 3}", "not the path"),
        ("", "no picture"),
    ] {
        let error = build(&[write(text)], SETTINGS, Corrupt::Skip).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("list.jsonl"), "{text}: {error}");
    }
}

#[test]
fn damaged_archives_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let packed = std::fs::read(fixture("samples.tar.gz")).unwrap();
    let path = folder.path().join("cut.tar.gz");
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    let error = build(&[path], SETTINGS, Corrupt::Skip).unwrap_err().to_string();
    assert!(error.contains("cut.tar.gz") && error.contains("gzip"), "{error}");
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2_of(&packed), &mut tar).unwrap();
    let path = folder.path().join("cut.tar");
    // Within the first picture.
    std::fs::write(&path, &tar[..600]).unwrap();
    let error = build(std::slice::from_ref(&path), SETTINGS, Corrupt::Refuse).unwrap_err().to_string();
    assert!(error.contains("part/000.png") && error.contains("ends after"), "{error}");
    std::fs::write(&path, &tar[..300]).unwrap();
    assert!(build(&[path], SETTINGS, Corrupt::Skip).is_err());
    let table = folder.path().join("cut.parquet");
    std::fs::write(&table, &std::fs::read(fixture("samples.parquet")).unwrap()[..2000]).unwrap();
    assert!(build(&[table], SETTINGS, Corrupt::Skip).unwrap_err().to_string().contains("cut.parquet"));
    let odd = folder.path().join("odd.xyz");
    std::fs::write(&odd, "x").unwrap();
    assert!(build(&[odd], SETTINGS, Corrupt::Skip).unwrap_err().to_string().contains("odd.xyz"));
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(build(&[empty], SETTINGS, Corrupt::Skip).unwrap_err().to_string().contains("no picture"));
}

fn flate2_of(bytes: &[u8]) -> impl std::io::Read + '_ {
    flate2::bufread::MultiGzDecoder::new(bytes)
}
