//! Published tokenizers against their reference encodings, the byte level, and training.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use modality_text::{Encoding, Error, Tokenizer, TokenizerKind};
use proptest::prelude::*;
use support::{ids, published, records, train_text};

#[test]
fn every_reference_encoding_matches() {
    let mut checked = 0;
    for name in ["bert-base-uncased", "gpt2", "t5-base"] {
        let tokenizer = published(name);
        for record in records("reference-encodings.jsonl.gz").iter().filter(|record| record["tokenizer"] == name) {
            let text = record["text"].as_str().unwrap();
            let expected = ids(&record["ids"]);
            assert_eq!(tokenizer.encode_with_special(text).unwrap(), expected, "{name}: {text}");
            for (field, skip_special) in [("decoded", false), ("decoded_skip_special", true)] {
                if let Some(decoded) = record[field].as_str() {
                    let ours = closed_up(&tokenizer.decode(&expected, skip_special).unwrap());
                    assert_eq!(ours, decoded, "{name}: {text}");
                }
            }
            let plain = tokenizer.encode(text).unwrap();
            assert_eq!(plain.ids.len(), plain.word_starts.len());
            assert!(expected.windows(plain.ids.len().max(1)).any(|window| window == plain.ids) || plain.ids.is_empty());
            checked += 1;
        }
    }
    assert_eq!(checked, 57);
}

/// The reference program closes up punctuation whatever the tokenizer; a `tokenizer.json` asks for that with WordPiece only.
fn closed_up(text: &str) -> String {
    let pairs = [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m")];
    let more = [(" 's", "'s"), (" 've", "'ve"), (" 're", "'re")];
    pairs.iter().chain(&more).fold(text.to_owned(), |text, (spaced, closed)| text.replace(spaced, closed))
}

#[test]
fn the_questions_of_squad_match() {
    let tokenizer = published("bert-base-uncased");
    let records = records("bert-base-uncased.squad-questions.jsonl.gz");
    assert!(records.len() > 500);
    let questions: Vec<_> = records.iter().map(|record| record["text"].as_str().unwrap()).collect();
    let encodings = tokenizer.encode_batch(&questions).unwrap();
    for (record, encoding) in records.iter().zip(encodings) {
        assert_eq!(encoding.ids, ids(&record["ids"]), "{}", record["text"]);
    }
}

#[test]
fn vocabularies_know_their_special_tokens() {
    let bert = published("bert-base-uncased");
    let known = bert.vocabulary();
    assert_eq!((known.size, known.pad, known.begin, known.end), (30_522, Some(0), Some(101), Some(102)));
    assert_eq!((known.mask, known.unknown), (Some(103), Some(100)));
    assert_eq!(known.special, [0, 100, 101, 102, 103]);

    let gpt2 = published("gpt2");
    let known = gpt2.vocabulary();
    assert_eq!((known.size, known.pad, known.begin, known.end), (50_257, None, Some(50_256), Some(50_256)));
    assert_eq!((known.mask, known.unknown), (None, None));

    let t5 = published("t5-base");
    let known = t5.vocabulary();
    assert_eq!((known.size, known.pad, known.begin, known.end), (32_100, Some(0), None, Some(1)));
    assert_eq!((known.special.len(), known.unknown), (103, Some(2)));
    assert!(known.is_special(32_099) && !known.is_special(31_999));
    assert_eq!(t5.token(32_099).as_deref(), Some("<extra_id_0>"));
    assert_eq!(t5.id("<extra_id_0>"), Some(32_099));
}

#[test]
fn words_begin_at_their_first_piece() {
    let bert = published("bert-base-uncased");
    let encoding = bert.encode("Transformers tokenize, unbelievably.").unwrap();
    let starts: Vec<String> = encoding
        .ids
        .iter()
        .zip(&encoding.word_starts)
        .filter(|(_, start)| **start)
        .map(|(id, _)| bert.token(*id).unwrap())
        .collect();
    assert!(starts.iter().all(|token| !token.starts_with("##")), "{starts:?}");
    assert_eq!(starts.len(), 5, "{starts:?}");

    let bytes = Tokenizer::bytes().encode("ab  c[MASK]d\n").unwrap();
    assert_eq!(bytes.ids, [97, 98, 32, 32, 99, 259, 100, 10]);
    assert_eq!(bytes.word_starts, [true, false, false, false, true, true, true, false]);
}

#[test]
fn the_byte_level_is_what_its_tokenizer_json_says() {
    let bytes = Tokenizer::bytes();
    let vocabulary = bytes.vocabulary();
    assert_eq!((vocabulary.size, vocabulary.pad, vocabulary.begin), (260, Some(256), Some(257)));
    assert_eq!((vocabulary.end, vocabulary.mask, vocabulary.unknown), (Some(258), Some(259), None));
    assert_eq!(vocabulary.special, [256, 257, 258, 259]);
    let again = Tokenizer::from_json(bytes.to_json().unwrap()).unwrap();
    assert_eq!(again.hash().unwrap(), bytes.hash().unwrap());
    // The library's own path through the same file, special tokens around it.
    let text = "Füße, 東京\t\u{7f}\0 [SEP] [MASK [PAD]";
    let ids = bytes.encode(text).unwrap().ids;
    assert_eq!(bytes.encode_with_special(text).unwrap(), [&[257][..], &ids, &[258]].concat());
    assert_eq!(bytes.decode(&[0xff, 65, 257, 999], false).unwrap(), "\u{fffd}A[CLS]");
    assert_eq!(bytes.decode(&[65, 257, 66], true).unwrap(), "AB");
}

/// Trained twice, from documents in another order too: the same bytes.
fn trained(kind: TokenizerKind, size: u32) -> Tokenizer {
    let documents = train_text();
    let train = |texts: Vec<&str>| Tokenizer::train(kind, size, texts.into_iter().map(Ok), true).unwrap();
    let first = train(documents.iter().map(|document| document.text.as_str()).collect());
    let second = train(documents.iter().rev().map(|document| document.text.as_str()).collect());
    assert!(first.to_json().unwrap() == second.to_json().unwrap(), "{kind:?} differs from run to run");
    assert_eq!(first.vocabulary().size, size);
    assert_eq!(first.vocabulary().special, [0, 1, 2, 3, 4]);
    for (id, token) in (0..).zip(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) {
        assert_eq!(first.id(token), Some(id));
    }
    first
}

#[test]
fn training_wordpiece_is_deterministic() {
    let tokenizer = trained(TokenizerKind::WordPiece, 2000);
    let encoding = tokenizer.encode("The Hound of the Baskervilles").unwrap();
    assert_eq!(encoding.word_starts.iter().filter(|start| **start).count(), 5);
    assert!(!encoding.ids.contains(&1));
    assert_eq!(tokenizer.decode(&encoding.ids, true).unwrap(), "the hound of the baskervilles");
    let with_special = tokenizer.encode_with_special("the hound").unwrap();
    assert_eq!((with_special.first(), with_special.last()), (Some(&2), Some(&3)));
    assert_eq!(tokenizer.encode("hound 東").unwrap().ids.last(), Some(&1));
    assert_eq!(tokenizer.encode("the [MASK] ran").unwrap().ids[1], 4);
}

#[test]
fn training_bpe_is_deterministic_and_covers_all_text() {
    let tokenizer = trained(TokenizerKind::Bpe, 2000);
    let text = "the hound\n of 東京 and\0 füße";
    let encoding = tokenizer.encode(text).unwrap();
    assert_eq!(tokenizer.decode(&encoding.ids, true).unwrap(), text);
}

#[test]
fn training_unigram_is_deterministic() {
    let tokenizer = trained(TokenizerKind::Unigram, 2000);
    let encoding = tokenizer.encode("the hound of the baskervilles").unwrap();
    assert_eq!(encoding.word_starts.iter().filter(|start| **start).count(), 5);
    assert_eq!(tokenizer.decode(&encoding.ids, true).unwrap(), "the hound of the baskervilles");
}

#[test]
fn impossible_training_says_why() {
    let train = |kind, size, texts: &[&'static str]| {
        Tokenizer::train(kind, size, texts.iter().map(|text| Ok(*text)), false).unwrap_err().to_string()
    };
    assert!(train(TokenizerKind::Bpe, 100, &["a b"]).contains("261"));
    for kind in [TokenizerKind::WordPiece, TokenizerKind::Bpe, TokenizerKind::Unigram] {
        assert!(train(kind, 300, &[]).contains("no words"));
        assert!(train(kind, 300, &["", ""]).contains("no words"));
    }
    let failing = [Ok("a"), Err(Error::Empty { place: "x".into(), help: "y" })];
    assert!(matches!(Tokenizer::train(TokenizerKind::WordPiece, 300, failing, true), Err(Error::Empty { .. })));
    assert!("sentencepiece".parse::<TokenizerKind>().unwrap_err().to_string().contains("unigram"));
}

#[test]
fn little_text_still_trains() {
    for kind in [TokenizerKind::WordPiece, TokenizerKind::Bpe, TokenizerKind::Unigram] {
        match Tokenizer::train(kind, 300, [Ok("a few words, a few more words, and no more")], false) {
            Ok(tokenizer) => assert!(tokenizer.vocabulary().size <= 300),
            Err(error) => assert!(matches!(error, Error::Training { .. }), "{error}"),
        }
    }
}

#[test]
fn saving_and_loading_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    for tokenizer in [published("t5-base"), published("gpt2"), Tokenizer::bytes()] {
        tokenizer.save(&path).unwrap();
        let loaded = Tokenizer::from_file(&path).unwrap();
        assert_eq!(loaded.hash().unwrap(), tokenizer.hash().unwrap());
        assert_eq!(loaded.vocabulary(), tokenizer.vocabulary());
        assert_eq!(loaded.encode("saved <pad> text").unwrap(), tokenizer.encode("saved <pad> text").unwrap());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no partial file is left");
    let error = tokenizer_error(&dir.path().join("none.json"));
    assert!(error.contains("none.json"), "{error}");
    std::fs::write(&path, "{\"version\": 3}").unwrap();
    let error = tokenizer_error(&path);
    assert!(error.contains("tokenizer.json") && error.contains("tokenizers"), "{error}");
}

fn tokenizer_error(path: &std::path::Path) -> String {
    Tokenizer::from_file(path).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn any_string_survives_the_byte_level(text: String) {
        let tokenizer = Tokenizer::bytes();
        let encoding = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(encoding.ids.len(), encoding.word_starts.len());
        prop_assert!(text.is_empty() || encoding.word_starts[0]);
        prop_assert_eq!(tokenizer.decode(&encoding.ids, false).unwrap(), text);
    }

    #[test]
    fn the_byte_level_agrees_with_the_library(text in "([a-z ]|\\[MASK\\]|\\[|é|\\n){0,40}") {
        let tokenizer = Tokenizer::bytes();
        let ids = tokenizer.encode(&text).unwrap().ids;
        prop_assert_eq!(tokenizer.encode_with_special(&text).unwrap(), [&[257][..], &ids, &[258]].concat());
    }
}

#[test]
fn gpt2_gives_back_any_text() {
    let tokenizer = published("gpt2");
    let strategy = proptest::string::string_regex("\\PC{0,60}").unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&strategy, |text| {
            let Encoding { ids, word_starts } = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(ids.len(), word_starts.len());
            prop_assert!(ids.iter().all(|id| *id < tokenizer.vocabulary().size));
            prop_assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn damaged_tokenizers_are_errors() {
    let json = Tokenizer::bytes().to_json().unwrap().to_vec();
    // Each damage that the library answers with a panic writes a line; a hundred will do.
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    let strategy = (0..json.len(), any::<u8>(), any::<bool>());
    runner
        .run(&strategy, |(place, byte, cut)| {
            let mut damaged = json.clone();
            damaged[place] = byte;
            if cut {
                damaged.truncate(place);
            }
            if let Ok(tokenizer) = Tokenizer::from_json(&damaged) {
                let _ = tokenizer.encode("any text");
            } else {
                prop_assert!(Tokenizer::from_json(&damaged).unwrap_err().to_string().starts_with("tokenizer"));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn sentinels_come_after_the_vocabulary_and_are_special() {
    let tokenizer = Tokenizer::bytes().with_sentinels(3).unwrap();
    let vocabulary = tokenizer.vocabulary();
    assert_eq!((vocabulary.size, vocabulary.sentinels.as_slice()), (263, [260, 261, 262].as_slice()));
    assert!(vocabulary.sentinels.iter().all(|id| vocabulary.is_special(*id)));
    assert_eq!(tokenizer.encode("a<extra_id_1>b").unwrap().ids, [97, 261, 98]);
    let again = Tokenizer::from_json(tokenizer.to_json().unwrap()).unwrap();
    assert_eq!(again.vocabulary(), vocabulary);
    // Those that are there are not added again.
    assert_eq!(again.with_sentinels(2).unwrap().vocabulary().size, 263);
}
