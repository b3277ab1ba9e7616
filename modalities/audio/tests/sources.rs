//! Sounds in folders, archives and manifests, and what is wrong with some of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};

use modality_audio::{Error, Item, ListSettings, items};

/// A WAV file of `samples` samples at 8 kHz that count up from `first`.
fn wav(first: i16, samples: i16) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    (first..first + samples).for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn tar_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn list(path: impl Into<PathBuf>) -> Result<Vec<Item>, Error> {
    items(&[path.into()], &ListSettings::default())
}

fn labelled(path: impl Into<PathBuf>, pattern: &str) -> Result<Vec<Item>, Error> {
    items(&[path.into()], &ListSettings { pattern: Some(pattern.parse().unwrap()) })
}

fn first_sample(item: &Item) -> i32 {
    (item.read().unwrap().samples[0] * 32768.0) as i32
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_folder_stands_for_all_sounds_below_it() {
    let dir = tempfile::tempdir().unwrap();
    for (name, first) in [("b/x.wav", 2), ("a/y/z.WAV", 1), ("c.wav", 3), (".hidden.wav", 9), ("b/.h/x.wav", 9)] {
        write(dir.path(), name, &wav(first, 10));
    }
    write(dir.path(), "b/notes.txt", b"no sound");
    let found = list(dir.path()).unwrap();
    assert_eq!(found.iter().map(first_sample).collect::<Vec<_>>(), [1, 2, 3]);
    let labels: Vec<_> =
        labelled(dir.path().join("b"), "{label}/*.wav").unwrap().iter().map(|i| i.label.clone()).collect();
    assert_eq!(labels, [Some("b".to_owned())]);
    let empty = tempfile::tempdir().unwrap();
    assert!(list(empty.path()).unwrap_err().to_string().contains("holds no sound"));
}

#[test]
fn members_are_chosen_and_labelled_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<(String, Vec<u8>)> = ["0_ann_0", "0_ann_12", "1_bob_3", "1_bob_7"]
        .iter()
        .zip(1..)
        .map(|(name, first)| (format!("rec/{name}.wav"), wav(first, 100)))
        .chain([("rec/read.me".to_owned(), b"text".to_vec())])
        .collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let plain = write(dir.path(), "a.tar", &tar_of(&files));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&tar_of(&files)).unwrap();
    let packed = write(dir.path(), "a.tar.gz", &packer.finish().unwrap());
    for path in [&plain, &packed] {
        assert_eq!(list(path).unwrap().iter().map(first_sample).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let some = format!("{}#rec/*_[0-4].wav", path.display());
        let found = labelled(&some, "{label}_{speaker}_*.wav").unwrap();
        assert_eq!(found.iter().map(first_sample).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(found[1].label.as_deref(), Some("1"));
        assert_eq!(found[1].speaker.as_deref(), Some("bob"));
        assert!(found[1].name().ends_with("#rec/1_bob_3.wav"));
    }
    let error = list(format!("{}#rec/2*", plain.display())).unwrap_err();
    assert!(matches!(error, Error::NoMember { .. }) && error.to_string().contains("0_ann_0"), "{error}");
    let error = labelled(&plain, "{speaker}-*.wav").unwrap_err();
    assert!(error.to_string().contains("0_ann_0.wav") && error.to_string().contains("{speaker}-*.wav"), "{error}");
    if !cfg!(windows) {
        let whole = std::fs::read(&plain).unwrap();
        let cut = write(dir.path(), "cut.tar", &whole[..1200]);
        let error = list(&cut).unwrap_err();
        assert!(error.to_string().contains("cut.tar"), "{error}");
    }
}

#[test]
fn manifests_name_sounds_parts_and_labels() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "long.wav", &wav(0, 8000));
    write(dir.path(), "b.tar", &tar_of(&[("m.wav", wav(77, 50))]));
    let table = "path\tlabel\ttext\toffset\tduration\nlong.wav\tone\tfirst half\t0\t0.5\nlong.wav\ttwo\t\t0.25\t\nb.tar#m.wav\t\t\t\t\n";
    let table = write(dir.path(), "all.tsv", table.as_bytes());
    let lines = r#"{"audio_filepath":"long.wav","text":"first half","duration":0.5,"label":"one"}

{"path":"long.wav","offset":0.25,"label":"two"}
{"path":"b.tar#m.wav"}
"#;
    let lines = write(dir.path(), "all.jsonl", lines.as_bytes());
    for manifest in [table, lines] {
        let found = list(&manifest).unwrap();
        assert_eq!(found.iter().map(first_sample).collect::<Vec<_>>(), [0, 2000, 77]);
        let lengths: Vec<usize> = found.iter().map(|item| item.read().unwrap().samples.len()).collect();
        assert_eq!(lengths, [4000, 6000, 50]);
        assert_eq!(found[0].text.as_deref(), Some("first half"));
        assert_eq!(
            [found[0].label.as_deref(), found[1].label.as_deref(), found[2].label.as_deref()],
            [Some("one"), Some("two"), None]
        );
    }
}

#[test]
fn what_is_wrong_with_a_manifest_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.wav", &wav(0, 800));
    for (name, text, line, reason) in [
        ("a.tsv", "path\tlabel\na.wav\tx\nb.wav\ty\n", 3, "`b.wav`: there is no such file"),
        ("a.tsv", "file\tlabel\na.wav\tx\n", 2, "there is no `path`"),
        ("a.tsv", "path\toffset\na.wav\tsoon\n", 2, "`offset` is `soon`"),
        ("a.tsv", "path\tlabel\na.wav\n", 2, "fields"),
        ("a.jsonl", "{\"path\":\"a.wav\"}\n{\"path\":\n", 2, "not JSON"),
        ("a.jsonl", "[1]\n", 1, "no JSON object"),
        ("a.jsonl", "{\"path\":\"a.jsonl\"}\n", 1, "sounds end in"),
        ("a.jsonl", "{\"path\":\"a.wav#x\"}\n", 1, "archive"),
    ] {
        let manifest = write(dir.path(), name, text.as_bytes());
        let error = list(&manifest).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}, line {line}")) && error.contains(reason), "{error} lacks {reason}");
    }
    let manifest = write(dir.path(), "far.jsonl", b"{\"path\":\"a.wav\",\"offset\":0.05,\"duration\":0.2}\n");
    let error = list(&manifest).unwrap()[0].read().unwrap_err();
    assert!(error.is_of_one_sound() && error.to_string().contains("offset and duration"), "{error}");
}

#[test]
fn files_that_are_no_sounds_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = write(dir.path(), "a.txt", b"text");
    assert!(matches!(list(&text).unwrap_err(), Error::UnknownFormat { .. }));
    assert!(matches!(list(dir.path().join("none.wav")).unwrap_err(), Error::Io { .. }));
    assert!(items(&[], &ListSettings::default()).is_err());
    let broken = write(dir.path(), "b.wav", b"RIFF");
    let error = list(&broken).unwrap()[0].read().unwrap_err();
    assert!(error.is_of_one_sound() && error.to_string().contains("b.wav"), "{error}");
    let gone = list(&broken).unwrap();
    std::fs::remove_file(&broken).unwrap();
    assert!(matches!(gone[0].read().unwrap_err(), Error::Io { .. }));
}
