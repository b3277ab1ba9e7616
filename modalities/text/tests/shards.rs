//! Shards and samples: what goes in comes out, and damage is noticed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modality_text::{
    Document, Encoding, Error, Label, Origin, SampleSettings, Samples, Shards, SourceSettings, Tokenizer, prepare,
    write_shards,
};
use proptest::prelude::*;
use support::{data, file};
use tempfile::{TempDir, tempdir};

fn document(text: &str) -> Document {
    Document {
        text: text.to_owned(),
        second: None,
        label: Label::None,
        origin: Origin { file: "test".into(), line: 1 },
    }
}

fn shards_of(dir: &Path, tokenizer: &Tokenizer, texts: &[String]) -> Shards {
    let documents = texts.iter().map(|text| Ok(document(text)));
    write_shards(documents, Vec::new(), "test", tokenizer, dir, &mut |_, _| {}).unwrap();
    Shards::open(dir).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_goes_in_comes_out(texts in prop::collection::vec(".{0,50}", 0..30), start in 0_usize..60, length in 0_usize..60) {
        let dir = tempdir().unwrap();
        let tokenizer = Tokenizer::bytes();
        let shards = shards_of(&dir.path().join("shards"), &tokenizer, &texts);
        prop_assert_eq!(shards.len(), texts.len());
        let mut counts = vec![0; 260];
        for (number, text) in texts.iter().enumerate() {
            let expected = tokenizer.encode(text).unwrap();
            expected.ids.iter().for_each(|id| counts[*id as usize] += 1);
            prop_assert_eq!(shards.length(number), expected.ids.len());
            let end = (start + length).min(expected.ids.len());
            let first = start.min(end);
            let part = Encoding { ids: expected.ids[first..end].to_vec(), word_starts: expected.word_starts[first..end].to_vec() };
            prop_assert_eq!(shards.part(number, start..start + length), part);
            prop_assert_eq!(shards.document(number), expected);
        }
        prop_assert_eq!(shards.tokens(), counts.iter().sum::<u64>());
        prop_assert_eq!(shards.token_counts(), counts);
        shards.verify().unwrap();
    }

    #[test]
    fn samples_hold_each_document_once_in_order(
        texts in prop::collection::vec("[a-z ]{0,50}", 1..20), length in 3_usize..20, add_special: bool, minimum in 0_usize..3,
    ) {
        let dir = tempdir().unwrap();
        let tokenizer = Tokenizer::bytes();
        let shards = Arc::new(shards_of(&dir.path().join("shards"), &tokenizer, &texts));
        let settings = SampleSettings { length, add_special, minimum };
        let Ok(samples) = Samples::new(Arc::clone(&shards), tokenizer.vocabulary(), settings) else {
            prop_assert!(texts.iter().all(String::is_empty));
            return Ok(());
        };
        let mut rebuilt: Vec<Vec<u32>> = vec![Vec::new(); texts.len()];
        let mut seen = BTreeSet::new();
        for number in 0..samples.len() {
            let sample = samples.get(number);
            prop_assert!(seen.insert(samples.id(number)));
            prop_assert_eq!(samples.id(number), sample.document << 32 | sample.offset);
            prop_assert_eq!(sample.ids.len(), samples.length(number));
            prop_assert!(sample.ids.len() <= length && sample.ids.len() >= minimum);
            prop_assert_eq!((sample.special.len(), sample.word_starts.len()), (sample.ids.len(), sample.ids.len()));
            let text: Vec<u32> = sample.ids.iter().zip(&sample.special).filter(|(_, s)| !**s).map(|(id, _)| *id).collect();
            prop_assert_eq!(sample.offset as usize, rebuilt[sample.document as usize].len());
            if add_special {
                prop_assert_eq!((sample.ids[0], *sample.ids.last().unwrap()), (257, 258));
                prop_assert_eq!(text.len() + 2, sample.ids.len());
            }
            prop_assert!(sample.word_starts[usize::from(add_special)]);
            rebuilt[sample.document as usize].extend(text);
        }
        let kept: u64 = rebuilt.iter().map(|ids| ids.len() as u64).sum();
        prop_assert_eq!(kept + samples.dropped_tokens(), shards.tokens());
        if samples.dropped() == 0 {
            for (ids, text) in rebuilt.iter().zip(&texts) {
                prop_assert_eq!(&tokenizer.decode(ids, false).unwrap(), text);
            }
        }
    }
}

fn novel() -> Vec<PathBuf> {
    vec![data().join("text/valid")]
}

fn prepared() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("shards");
    prepare(&novel(), &SourceSettings::default(), &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap();
    (dir, path)
}

#[test]
fn preparing_again_uses_what_is_there_and_replaces_what_differs() {
    let (dir, path) = prepared();
    let index = std::fs::read(path.join("index.json")).unwrap();
    let mut told = Vec::new();
    let settings = SourceSettings::default();
    let mut tell = |documents, tokens| told.push((documents, tokens));
    let again = prepare(&novel(), &settings, &Tokenizer::bytes(), &path, &mut tell).unwrap();
    assert!(again.reused && told == [(again.documents, again.tokens)]);
    let shards = Shards::open(&path).unwrap();
    assert_eq!((shards.len() as u64, shards.tokens()), (again.documents, again.tokens));
    assert_eq!(shards.sources(), again.sources);
    assert_eq!(shards.sources()[0].name, "Chesterton_Napoleon_1904.txt");
    assert_eq!(shards.tokenizer().unwrap().hash().unwrap(), shards.tokenizer_hash());

    // The same text elsewhere under the same name is the same; another tokenizer, setting or damage is not.
    let copy = dir.path().join("Chesterton_Napoleon_1904.txt");
    std::fs::copy(novel()[0].join("Chesterton_Napoleon_1904.txt"), &copy).unwrap();
    assert!(
        prepare(std::slice::from_ref(&copy), &settings, &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap().reused
    );
    let lines = SourceSettings { unit: modality_text::TextUnit::Line, ..settings.clone() };
    assert!(!prepare(&novel(), &lines, &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap().reused);
    let anew = prepare(&novel(), &settings, &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap();
    assert!(!anew.reused);
    assert_eq!(std::fs::read(path.join("index.json")).unwrap(), index, "the same bytes");
    std::fs::write(path.join("counts.bin"), "").unwrap();
    assert!(!prepare(&novel(), &settings, &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap().reused);
    // Mapped shards outlive their folder.
    assert_eq!(shards.document(0), Shards::open(&path).unwrap().document(0));
    shards.verify().unwrap();
}

#[test]
fn a_failed_preparation_leaves_what_was_there() {
    let (dir, path) = prepared();
    let bad = file(dir.path(), "bad.txt", b"good\n\nbad \xff\n");
    let error = prepare(&[bad], &SourceSettings::default(), &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::Encoding { line: 3, .. }), "{error}");
    Shards::open(&path).unwrap().verify().unwrap();
    assert!(!dir.path().join(".shards.partial").exists());

    // A killed preparation leaves a partial folder; the next one clears it away.
    std::fs::create_dir(dir.path().join(".shards.partial")).unwrap();
    file(&dir.path().join(".shards.partial"), "tokens-00000.bin", "half");
    std::fs::rename(&path, dir.path().join(".shards.old")).unwrap();
    let again = prepare(&novel(), &SourceSettings::default(), &Tokenizer::bytes(), &path, &mut |_, _| {}).unwrap();
    assert!(again.reused && !dir.path().join(".shards.partial").exists());
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let dir = tempdir().unwrap();
    file(dir.path(), "thesis.txt", "years of work");
    let error =
        prepare(&novel(), &SourceSettings::default(), &Tokenizer::bytes(), dir.path(), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("another folder"), "{error}");
    assert!(dir.path().join("thesis.txt").exists());
}

#[test]
fn damage_names_the_file() {
    for name in ["tokens-00000.bin", "words-00000.bin", "documents.bin", "counts.bin", "tokenizer.json", "index.json"] {
        let (_dir, path) = prepared();
        let damaged = path.join(name);
        let bytes = std::fs::read(&damaged).unwrap();
        std::fs::write(&damaged, &bytes[..bytes.len() - 1]).unwrap();
        let error = Shards::open(&path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("prepare"), "{error}");
        std::fs::remove_file(&damaged).unwrap();
        assert!(Shards::open(&path).unwrap_err().to_string().contains(name));
    }
    let (_dir, path) = prepared();
    for name in ["tokens-00000.bin", "words-00000.bin", "counts.bin"] {
        let mut bytes = std::fs::read(path.join(name)).unwrap();
        bytes[10] ^= 1;
        std::fs::write(path.join(name), &bytes).unwrap();
        assert!(Shards::open(&path).unwrap().verify().unwrap_err().to_string().contains(name));
        bytes[10] ^= 1;
        std::fs::write(path.join(name), &bytes).unwrap();
    }
    Shards::open(&path).unwrap().verify().unwrap();
    let mut bytes = std::fs::read(path.join("documents.bin")).unwrap();
    bytes[14] = 0xff;
    std::fs::write(path.join("documents.bin"), bytes).unwrap();
    assert!(Shards::open(&path).unwrap_err().to_string().contains("documents.bin"));
}

#[test]
fn damaged_indexes_never_panic() {
    let (_dir, path) = prepared();
    let index = std::fs::read(path.join("index.json")).unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&(0..index.len(), any::<u8>()), |(place, byte)| {
            let mut damaged = index.clone();
            damaged[place] = byte;
            std::fs::write(path.join("index.json"), damaged).unwrap();
            if let Ok(shards) = Shards::open(&path) {
                (0..shards.len()).for_each(|document| drop(shards.document(document)));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn wide_vocabularies_take_four_bytes() {
    let mut json: serde_json::Value = serde_json::from_slice(Tokenizer::bytes().to_json().unwrap()).unwrap();
    json["added_tokens"][3]["id"] = 70_000.into();
    json["model"]["vocab"]["[MASK]"] = 70_000.into();
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(tokenizer.vocabulary().size, 70_001);
    let dir = tempdir().unwrap();
    let shards = shards_of(&dir.path().join("shards"), &tokenizer, &["a [MASK]".to_owned()]);
    assert_eq!(shards.document(0).ids, [97, 32, 70_000]);
    assert_eq!(std::fs::metadata(shards.dir().join("tokens-00000.bin")).unwrap().len(), 12);
}

#[test]
fn impossible_samples_say_why() {
    let dir = tempdir().unwrap();
    let tokenizer = Tokenizer::bytes();
    let shards = Arc::new(shards_of(&dir.path().join("shards"), &tokenizer, &["short".to_owned()]));
    let samples = |length, minimum| {
        let settings = SampleSettings { length, add_special: true, minimum };
        Samples::new(Arc::clone(&shards), tokenizer.vocabulary(), settings).map(|samples| samples.len())
    };
    assert_eq!(samples(16, 7).unwrap(), 1);
    for (length, minimum) in [(2, 0), (16, 17), (16, 8)] {
        let error = samples(length, minimum).unwrap_err().to_string();
        assert!(error.contains("it"), "{error}");
        assert!(matches!(samples(length, minimum), Err(Error::Samples { .. })));
    }
}
