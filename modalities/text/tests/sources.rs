//! Every format, compressed and not, and what damaged files say.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, LargeStringArray, RecordBatch, StringArray};
use modality_text::{Error, Format, LabelKind, SourceSettings, TextUnit, documents, source_files};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use support::{data, file, gzip, read, texts};
use tempfile::tempdir;

fn of_unit(unit: TextUnit) -> SourceSettings {
    SourceSettings { unit, ..SourceSettings::default() }
}

fn of_field(field: &str, header: bool) -> SourceSettings {
    SourceSettings { field: field.to_owned(), header, ..SourceSettings::default() }
}

fn error(dir: &Path, name: &str, bytes: impl AsRef<[u8]>, settings: &SourceSettings) -> String {
    let error = read(&file(dir, name, bytes), settings).unwrap_err().to_string();
    assert!(error.contains(name), "the file is named: {error}");
    error
}

#[test]
fn plain_text_comes_by_paragraph_line_or_file() {
    let dir = tempdir().unwrap();
    let text = "\u{feff}one\r\ntwo\r\n\r\n \t\nthree\nfour\n\n";
    for (name, bytes) in [("a.txt", text.as_bytes().to_vec()), ("a.txt.gz", gzip(text.as_bytes()))] {
        let path = file(dir.path(), name, bytes);
        assert_eq!(texts(&path, &of_unit(TextUnit::Paragraph)), ["one\ntwo", "three\nfour"]);
        assert_eq!(texts(&path, &of_unit(TextUnit::Line)), ["one", "two", "three", "four"]);
        assert_eq!(texts(&path, &of_unit(TextUnit::File)), ["one\ntwo\n\n \t\nthree\nfour\n"]);
        let paragraphs = read(&path, &of_unit(TextUnit::Paragraph)).unwrap();
        assert_eq!(paragraphs[1].origin.line, 5);
        assert_eq!(paragraphs[1].origin.to_string(), format!("{}, line 5", path.display()));
    }
}

#[test]
fn the_shipped_novels_are_paragraphs() {
    let found = documents(&[data().join("text/train"), data().join("text/valid")], &SourceSettings::default());
    let found: Vec<_> = found.collect::<Result<_, _>>().unwrap();
    assert!(found.len() > 4000, "{}", found.len());
    assert!(found.last().unwrap().origin.file.ends_with("Chesterton_Napoleon_1904.txt"));
    assert!(
        found
            .windows(2)
            .all(|pair| pair[0].origin.file != pair[1].origin.file || pair[0].origin.line < pair[1].origin.line)
    );
}

#[test]
fn jsonl_gives_one_field() {
    let dir = tempdir().unwrap();
    let lines = "{\"id\":1,\"text\":\"a\\nb\"}\n\n{\"text\":null}\n{\"text\":\" \"}\n{\"text\":\"c\",\"x\":[1]}";
    let path = file(dir.path(), "a.jsonl", lines);
    assert_eq!(texts(&path, &SourceSettings::default()), ["a\nb", "c"]);
    assert_eq!(read(&path, &SourceSettings::default()).unwrap()[1].origin.line, 5);
    let path = file(dir.path(), "a.ndjson.gz", gzip(lines.as_bytes()));
    assert_eq!(texts(&path, &SourceSettings::default()), ["a\nb", "c"]);

    let said =
        error(dir.path(), "b.jsonl", "{\"text\":\"a\"}\n{\"body\":\"b\",\"id\":2}\n", &SourceSettings::default());
    assert!(said.contains("line 2") && said.contains("`body`, `id`") && said.contains("`text`"), "{said}");
    let said = error(dir.path(), "b.jsonl", "{\"text\":3}", &SourceSettings::default());
    assert!(said.contains("a number"), "{said}");
    let said = error(dir.path(), "b.jsonl", "{\"text\":\"a\"}\n[1]\n", &SourceSettings::default());
    assert!(said.contains("line 2"), "{said}");
}

#[test]
fn tables_give_one_column() {
    let dir = tempdir().unwrap();
    let csv = "id,text\n1,\"a, \"\"b\"\"\nc\"\n2,\n3,d\n";
    let path = file(dir.path(), "a.csv", csv);
    assert_eq!(texts(&path, &SourceSettings::default()), ["a, \"b\"\nc", "d"]);
    assert_eq!(read(&path, &SourceSettings::default()).unwrap()[1].origin.line, 5);
    let path = file(dir.path(), "a.csv.gz", gzip("\u{feff}text\nx\n".as_bytes()));
    assert_eq!(texts(&path, &SourceSettings::default()), ["x"]);
    let path = file(dir.path(), "a.tsv", "say \"hi\t1\nbye\t0\n");
    assert_eq!(texts(&path, &of_field("0", false)), ["say \"hi", "bye"]);

    let path = file(dir.path(), "a.csv", csv.replace('\n', "\r\n") + "\r\n4,\"e\"\r\n");
    assert_eq!(texts(&path, &SourceSettings::default()), ["a, \"b\"\nc", "d", "e"]);
    let lines: Vec<_> =
        read(&path, &SourceSettings::default()).unwrap().iter().map(|found| found.origin.line).collect();
    assert_eq!(lines, [2, 5, 7]);

    let said = error(dir.path(), "b.csv", csv, &of_field("body", true));
    assert!(said.contains("`id`, `text`") && said.contains("`body`"), "{said}");
    let said = error(dir.path(), "b.csv", "a,b\nc\n", &of_field("1", false));
    assert!(said.contains("line 2"), "{said}");
    let said = error(dir.path(), "b.csv", "a,b\n", &of_field("text", false));
    assert!(said.contains("`0`, `1`"), "{said}");
    let said = error(dir.path(), "b.csv", b"text\nfine\n\xe9t\xe9\n", &SourceSettings::default());
    assert!(said.contains("line 3") && said.contains("Latin-1"), "{said}");
}

fn parquet(compression: Compression) -> Vec<u8> {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b\nc")]));
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["x", "y", "z"]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let batch =
        RecordBatch::try_from_iter_with_nullable([("id", number, true), ("text", text, true), ("large", large, true)]);
    let batch = batch.unwrap();
    let settings = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(settings)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn parquet_gives_one_column() {
    let dir = tempdir().unwrap();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(Default::default())] {
        let bytes = parquet(compression);
        let path = file(dir.path(), "a.parquet", &bytes);
        assert_eq!(texts(&path, &SourceSettings::default()), ["a", "b\nc"]);
        assert_eq!(read(&path, &SourceSettings::default()).unwrap()[1].origin.line, 3);
        assert_eq!(texts(&path, &of_field("large", true)), ["x", "y", "z"]);
        let path = file(dir.path(), "a.parquet.gz", gzip(&bytes));
        assert_eq!(texts(&path, &SourceSettings::default()), ["a", "b\nc"]);
    }
    let bytes = parquet(Compression::SNAPPY);
    let said = error(dir.path(), "b.parquet", &bytes, &of_field("body", true));
    assert!(said.contains("`id`, `text`, `large`"), "{said}");
    let said = error(dir.path(), "b.parquet", &bytes, &of_field("id", true));
    assert!(said.contains("Int64"), "{said}");
    let said = error(dir.path(), "b.parquet", &bytes[..bytes.len() - 20], &SourceSettings::default());
    assert!(said.contains("damaged"), "{said}");
}

fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn archives_give_their_text_files() {
    let dir = tempdir().unwrap();
    let entries =
        [("train/a.txt", "a\n\nb"), ("train/list.tsv", "no"), ("valid/c", "c"), ("train/.hidden", "no"), ("e.txt", "")];
    let bytes = tar(&entries);
    for (name, bytes) in [("a.tar", bytes.clone()), ("a.tar.gz", gzip(&bytes)), ("a.tgz", gzip(&bytes))] {
        let path = file(dir.path(), name, bytes);
        assert_eq!(texts(&path, &SourceSettings::default()), ["a", "b", "c"]);
        let found = read(&dir.path().join(format!("{name}#valid/*")), &SourceSettings::default()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].origin.to_string(), format!("{}: valid/c, line 1", path.display()));
    }
    let said = error(dir.path(), "b.tar", tar(&[("a.png", "x")]), &SourceSettings::default());
    assert!(said.contains(".txt"), "{said}");
    let said = error(dir.path(), "b.tar", tar(&[("bad.txt", "x\ny")]).replace_y(), &SourceSettings::default());
    assert!(said.contains("bad.txt, line 2"), "{said}");
    let long = tar(&[("a.txt", &"word ".repeat(1000))]);
    let said = error(dir.path(), "b.tar", &long[..2000], &SourceSettings::default());
    assert!(said.contains("damaged"), "{said}");
    let packed = gzip(&long);
    let said = error(dir.path(), "b.tar.gz", &packed[..packed.len() / 2], &SourceSettings::default());
    assert!(said.contains("damaged") || said.contains("cannot read on"), "{said}");
}

/// Makes one byte invalid.
trait Spoil {
    fn replace_y(self) -> Vec<u8>;
}

impl Spoil for Vec<u8> {
    fn replace_y(mut self) -> Vec<u8> {
        let place = self.windows(3).position(|bytes| bytes == b"x\ny").unwrap() + 2;
        self[place] = 0xff;
        self
    }
}

#[test]
fn wrong_encodings_name_byte_and_line() {
    let dir = tempdir().unwrap();
    let said = error(dir.path(), "a.txt", b"fine\ncaf\xe9 noir\n", &SourceSettings::default());
    assert!(said.contains("line 2") && said.contains("byte 8 ") && said.contains("Latin-1"), "{said}");
    let said = error(dir.path(), "a.txt", b"\xff\xfea\0b\0", &SourceSettings::default());
    assert!(said.contains("line 1") && said.contains("UTF-16"), "{said}");
    let said = error(dir.path(), "a.txt", b"\xef\xbb\xbfa\xff", &SourceSettings::default());
    assert!(said.contains("byte 4 "), "{said}");
    let said = error(dir.path(), "a.jsonl", b"{\"text\":\"\xff\"}", &SourceSettings::default());
    assert!(said.contains("line 1"), "{said}");
}

#[test]
fn missing_empty_unknown_and_damaged_files_are_errors() {
    let dir = tempdir().unwrap();
    for name in ["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.tar"] {
        let said = error(dir.path(), name, "", &SourceSettings::default());
        assert!(said.contains("holds no text"), "{said}");
    }
    error(dir.path(), "a.parquet", "", &SourceSettings::default());
    error(dir.path(), "blank.txt", " \n\n", &SourceSettings::default());
    assert!(error(dir.path(), "a.docx", "x", &SourceSettings::default()).contains(".jsonl"));
    let said = error(dir.path(), "a.txt.gz", "this is no gzip", &SourceSettings::default());
    assert!(said.contains("gzip"), "{said}");
    let packed = gzip("text ".repeat(1000).as_bytes());
    error(dir.path(), "a.txt.gz", &packed[..packed.len() - 9], &SourceSettings::default());
    let none = dir.path().join("none.txt");
    assert!(matches!(read(&none, &SourceSettings::default()), Err(Error::Io { .. })));
    assert!(matches!(read(&dir.path().join("a.docx"), &of_format(Format::Text)), Ok(found) if found.len() == 1));
    assert!(documents(&[], &SourceSettings::default()).next().unwrap().is_err());
}

fn of_format(format: Format) -> SourceSettings {
    SourceSettings { format: Some(format), ..SourceSettings::default() }
}

#[test]
fn a_folder_is_its_files_by_name() {
    let dir = tempdir().unwrap();
    for name in ["b.txt", "a.jsonl", ".hidden.txt", "notes.md"] {
        file(dir.path(), name, "{\"text\":\"x\"}");
    }
    let found = source_files(&[dir.path().to_owned()], &SourceSettings::default()).unwrap();
    assert_eq!(found, [dir.path().join("a.jsonl"), dir.path().join("b.txt")]);
    let empty = tempdir().unwrap();
    let error = source_files(&[empty.path().to_owned()], &SourceSettings::default()).unwrap_err().to_string();
    assert!(error.contains(".jsonl"), "{error}");
}

#[test]
fn an_early_end_stops_the_reader() {
    let path = data().join("text/train");
    let mut found = documents(&[path], &of_unit(TextUnit::Line));
    assert!(found.next().unwrap().is_ok());
    drop(found);
}

#[test]
fn names_of_formats_and_units_are_checked() {
    assert_eq!("tsv".parse::<Format>().unwrap(), Format::Tsv);
    assert_eq!("line".parse::<TextUnit>().unwrap(), TextUnit::Line);
    assert!("json".parse::<Format>().unwrap_err().to_string().contains("`jsonl`"));
    assert!("word".parse::<TextUnit>().unwrap_err().to_string().contains("`paragraph`"));
}

const NAMES: [&str; 8] = ["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.tar", "a.zip", "a.conll"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\n'), Just(b','), Just(b'{'), Just(0xff), any::<u8>()], 0..300),
        format in 0..NAMES.len(), header: bool, compressed: bool, label in 0_usize..4,
    ) {
        let dir = tempdir().unwrap();
        let name = NAMES[format];
        let path = file(dir.path(), name, if compressed { gzip(&bytes) } else { bytes });
        let kind = [None, Some(LabelKind::Class), Some(LabelKind::Score), Some(LabelKind::Tags)][label];
        let label_field = kind.map(|_| "1".to_owned());
        let settings = SourceSettings { label_field, label_kind: kind, ..of_field("0", header) };
        prop_assert!(!panicked(&read(&path, &settings)));
    }

    #[test]
    fn no_damage_makes_a_reader_panic(format in 0_usize..3, place: prop::sample::Index, byte: u8, cut: bool) {
        let dir = tempdir().unwrap();
        let (name, mut bytes) = match format {
            0 => ("a.parquet", parquet(Compression::SNAPPY)),
            1 => ("a.tar", tar(&[("a.txt", "some text"), ("b.txt", "more text")])),
            _ => ("a.txt.gz", gzip("some text\n".repeat(20).as_bytes())),
        };
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if cut {
            bytes.truncate(place);
        }
        let path = file(dir.path(), name, bytes);
        prop_assert!(!panicked(&read(&path, &SourceSettings::default())));
    }
}

fn panicked<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(error) if error.to_string().contains("panicked"))
}

/// A zip archive of one stored and one deflated file.
fn zip(entries: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (number, (name, text)) in entries.iter().enumerate() {
        let deflated = number % 2 == 1;
        let mut sum = flate2::Crc::new();
        sum.update(text.as_bytes());
        let mut packed = text.as_bytes().to_vec();
        if deflated {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
            packed = encoder.finish().unwrap();
        }
        let offset = bytes.len() as u32;
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0, if deflated { 8 } else { 0 }, 0, 0, 0, 0, 0]);
        common.extend(sum.sum().to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((text.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(&packed);
        list.extend(b"PK\x01\x02\x14\0");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend(offset.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (start, count) = (bytes.len() as u32, entries.len() as u16);
    bytes.extend(&list);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend((list.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn zip_archives_give_their_files_and_chosen_members() {
    let dir = tempdir().unwrap();
    let bytes = zip(&[("qc/a.txt", "a"), ("qc/b.csv", "text,x\nb,1\nc,2\n"), ("qc/c", "c")]);
    let path = file(dir.path(), "a.zip", &bytes);
    assert_eq!(texts(&path, &SourceSettings::default()), ["a", "c"]);
    let member = |glob: &str| dir.path().join(format!("a.zip#{glob}"));
    assert_eq!(texts(&member("qc/*.csv"), &SourceSettings::default()), ["b", "c"]);
    let found = read(&member("qc/*.csv"), &SourceSettings::default()).unwrap();
    assert_eq!(found[1].origin.to_string(), format!("{}: qc/b.csv, line 3", path.display()));
    let said = read(&member("q/*"), &SourceSettings::default()).unwrap_err().to_string();
    assert!(said.contains("a.zip") && said.contains("`q/*`") && said.contains("`qc/a.txt`"), "{said}");
    let plain = file(dir.path(), "b.txt", "x");
    let said = read(&plain.with_file_name("b.txt#c"), &SourceSettings::default()).unwrap_err().to_string();
    assert!(said.contains("this is none"), "{said}");
    // A changed byte of the content, a list that is cut off, an archive that ends early.
    let mut changed = bytes.clone();
    let place = changed.windows(8).position(|bytes| bytes == b"qc/a.txt").unwrap() + 8;
    changed[place] = b'x';
    let said = error(dir.path(), "c.zip", changed, &SourceSettings::default());
    assert!(said.contains("check sum"), "{said}");
    for cut in [bytes.len() - 1, bytes.len() / 2, 3] {
        let said = error(dir.path(), "c.zip", &bytes[..cut], &SourceSettings::default());
        assert!(said.contains("damaged archive"), "{said}");
    }
}
