//! Labels and pairs: read from every format, put beside tokens, kept in shards and samples; and what wrong files say.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use modality_text::{
    Document, Error, Format, Label, LabelKind, Labels, NO_TAG, SampleSettings, Samples, Shards, SourceSettings,
    Tokenizer, TokenizerKind, documents, source_file, write_labelled_shards,
};
use support::{data, file, read};
use tempfile::tempdir;

fn fixture(name: &str) -> PathBuf {
    data().join("labelled").join(name)
}

fn table(field: &str, label: &str, kind: LabelKind) -> SourceSettings {
    SourceSettings {
        header: SourceSettings::has_names(field, None, Some(label)),
        field: field.to_owned(),
        label_field: Some(label.to_owned()),
        label_kind: Some(kind),
        ..SourceSettings::default()
    }
}

fn form(format: Format, kind: LabelKind) -> SourceSettings {
    SourceSettings { format: Some(format), label_kind: Some(kind), ..SourceSettings::default() }
}

fn names(document: &Document) -> Vec<&str> {
    document.label.names().collect()
}

fn said(dir: &Path, name: &str, bytes: impl AsRef<[u8]>, settings: &SourceSettings) -> String {
    let text = read(&file(dir, name, bytes), settings).unwrap_err().to_string();
    assert!(text.contains(name), "the file is named: {text}");
    text
}

#[test]
fn tables_have_labels_by_name_or_number() {
    let found = read(&fixture("opinions.tsv"), &table("0", "1", LabelKind::Class)).unwrap();
    assert_eq!(found.len(), 60);
    assert_eq!((names(&found[0]), names(&found[1])), (vec!["bad"], vec!["good"]));
    let pairs = SourceSettings { second_field: Some("second".into()), ..table("first", "score", LabelKind::Score) };
    let found = read(&fixture("pairs.csv"), &pairs).unwrap();
    assert_eq!(found.len(), 48);
    assert!(found[0].text.starts_with("A dog sings, it is said"), "{}", found[0].text);
    assert!(found.iter().all(|pair| pair.second.as_ref().is_some_and(|second| second.ends_with('.'))));
    assert!(found.iter().any(|pair| pair.label == Label::Score(4.5)));
    // Without a kind the labels are passed over.
    let plain = SourceSettings { label_kind: None, ..table("0", "1", LabelKind::Class) };
    assert!(read(&fixture("opinions.tsv"), &plain).unwrap().iter().all(|document| document.label == Label::None));
}

#[test]
fn json_lines_have_labels_and_lists_of_tags() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "a.jsonl", "{\"text\":\"a b\",\"y\":1}\n{\"text\":\"c\",\"y\":\"x\"}\n");
    let found = read(&path, &table("text", "y", LabelKind::Class)).unwrap();
    assert_eq!(found.iter().map(names).collect::<Vec<_>>(), [["1"], ["x"]]);
    let path = file(dir.path(), "a.jsonl", "{\"words\":[\"New\",\"Marsh\"],\"tags\":[\"B\",\"I\"]}\n");
    let found = read(&path, &table("words", "tags", LabelKind::Tags)).unwrap();
    assert_eq!((found[0].text.as_str(), names(&found[0])), ("New Marsh", vec!["B", "I"]));
    let text = said(
        dir.path(),
        "b.jsonl",
        "{\"words\":[\"a\",\"b\"],\"tags\":[\"O\"]}",
        &table("words", "tags", LabelKind::Tags),
    );
    assert!(text.contains("line 1") && text.contains("2 words have 1 tags"), "{text}");
    let text = said(dir.path(), "b.jsonl", "{\"text\":\"a\"}\n", &table("text", "y", LabelKind::Class));
    assert!(text.contains("line 1") && text.contains("`y`"), "{text}");
}

#[test]
fn columns_questions_slots_and_tagged_words_have_labels_by_themselves() {
    let found = read(&fixture("entities.conll"), &form(Format::Conll, LabelKind::Tags)).unwrap();
    assert_eq!(found.len(), 40);
    assert_eq!(found[0].text, "Mrs Quill left Harrow Bay at noon .");
    assert_eq!(names(&found[0])[..5], ["B-person", "I-person", "O", "B-place", "I-place"]);
    let Label::Tags(tags) = &found[1].label else { panic!("tags") };
    // The second sentence begins in line 10 and its third word in line 12.
    assert_eq!((found[1].origin.line, tags[2].line, &found[1].text[tags[1].start..][..3]), (10, 12, "New"));

    let found = read(&fixture("questions.txt"), &form(Format::Trec, LabelKind::Class)).unwrap();
    assert_eq!((found[3].text.as_str(), names(&found[3])), ("Who sold the café on Quay Street ?", vec!["HUM"]));
    let fine = SourceSettings { label_field: Some("fine".into()), ..form(Format::Trec, LabelKind::Class) };
    assert_eq!(names(&read(&fixture("questions.txt"), &fine).unwrap()[0]), ["NUM:count"]);

    let intents = read(&fixture("slots"), &form(Format::Snips, LabelKind::Class)).unwrap();
    assert_eq!((intents.len(), names(&intents[1])), (4, vec!["RateBook"]));
    let slots = read(&fixture("slots"), &form(Format::Snips, LabelKind::Tags)).unwrap();
    assert_eq!(names(&slots[2]), ["O", "O", "B-mood"]);

    let brown = read(&fixture("tagged.txt"), &form(Format::Brown, LabelKind::Tags)).unwrap();
    assert_eq!((brown.len(), brown[1].text.as_str()), (2, "Nobody's boat didn't sink ."));
    assert_eq!(names(&brown[1]), ["pn$", "nn", "dod*", "vb", "."]);
    let base = SourceSettings { label_field: Some("base".into()), ..form(Format::Brown, LabelKind::Tags) };
    assert_eq!(names(&read(&fixture("tagged.txt"), &base).unwrap()[0]), ["at", "nn", "in", "np", "bedz", "jj", "."]);
}

#[test]
fn wrong_files_are_named_with_their_line() {
    let dir = tempdir().unwrap();
    let (class, score) = (table("0", "1", LabelKind::Class), table("0", "1", LabelKind::Score));
    for (text, settings, parts) in [
        ("a\tx\nb\n", &class, ["line 2", "1 columns, line 1 has 2"]),
        ("a\tx\nb\ty\tz\n", &class, ["line 2", "3 columns"]),
        ("a\tx\nb\t \n", &class, ["line 2", "label is empty"]),
        ("a\t1.5\nb\tgood\n", &score, ["line 2", "`good` is no number"]),
        ("a\tnan\n", &score, ["line 1", "`nan` is no number"]),
        ("", &class, ["", "holds no text"]),
    ] {
        let found = said(dir.path(), "a.tsv", text, settings);
        assert!(parts.iter().all(|part| found.contains(part)), "{found}");
    }
    let found = said(dir.path(), "a.tsv", b"caf\xe9\tx\n", &class);
    assert!(found.contains("line 1") && found.contains("Latin-1"), "{found}");

    let conll = form(Format::Conll, LabelKind::Tags);
    for (text, parts) in [
        ("a O\nb\n", ["line 2", "one column"]),
        ("a O\n\nb x O\n", ["line 3", "line 1 has 2"]),
        ("\n\n", ["", "no record"]),
    ] {
        let found = said(dir.path(), "a.conll", text, &conll);
        assert!(parts.iter().all(|part| found.contains(part)), "{found}");
    }
    let found = said(dir.path(), "q.txt", "What is this ?\n", &form(Format::Trec, LabelKind::Class));
    assert!(found.contains("line 1") && found.contains("COARSE:fine"), "{found}");
    let found = said(dir.path(), "t.txt", "the/at boat\n", &form(Format::Brown, LabelKind::Tags));
    assert!(found.contains("line 1") && found.contains("`boat`"), "{found}");
}

#[test]
fn parallel_files_of_unequal_length_are_refused() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("train");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in [("seq.in", "a b\nc\n"), ("seq.out", "O O\nO O\n"), ("label", "x\n")] {
        file(&folder, name, text);
    }
    let class = read(&folder, &form(Format::Snips, LabelKind::Class)).unwrap_err().to_string();
    assert!(class.contains("train, line 2") && class.contains("`seq.in` has 2 lines and `label` 1"), "{class}");
    let tags = read(&folder, &form(Format::Snips, LabelKind::Tags)).unwrap_err().to_string();
    assert!(tags.contains("train, line 2") && tags.contains("1 words have 2 tags"), "{tags}");
    std::fs::remove_file(folder.join("label")).unwrap();
    let missing = read(&folder, &form(Format::Snips, LabelKind::Class)).unwrap_err().to_string();
    assert!(missing.contains("label"), "{missing}");
}

/// Shards of a fixture with the labels that come in it.
fn shards(dir: &Path, path: &Path, settings: &SourceSettings, tokenizer: &Tokenizer) -> Arc<Shards> {
    let (files, kind) = ([path.to_owned()], settings.label_kind.unwrap());
    let labels = Labels::of(kind, documents(&files, settings)).unwrap();
    let sources = vec![source_file(path).unwrap()];
    let texts = documents(&files, settings);
    write_labelled_shards(texts, Some(&labels), sources, "test", tokenizer, dir, &mut |_, _| {}).unwrap();
    let shards = Shards::open(dir).unwrap();
    shards.verify().unwrap();
    Arc::new(shards)
}

fn samples(shards: &Arc<Shards>, tokenizer: &Tokenizer, length: usize) -> Samples {
    let settings = SampleSettings { length, add_special: true, minimum: 2 };
    Samples::new(Arc::clone(shards), tokenizer.vocabulary(), settings).unwrap()
}

#[test]
fn classes_are_numbers_in_the_order_of_their_names() {
    let dir = tempdir().unwrap();
    let (settings, tokenizer) = (table("0", "1", LabelKind::Class), Tokenizer::bytes());
    let shards = shards(&dir.path().join("s"), &fixture("opinions.tsv"), &settings, &tokenizer);
    assert_eq!(shards.labels().unwrap().names, ["bad", "good"]);
    let samples = samples(&shards, &tokenizer, 40);
    // One sample for each text, however long.
    assert_eq!((samples.len(), samples.shortened()), (60, 60));
    let sample = samples.get(1);
    assert_eq!((sample.class, sample.score, sample.ids.len()), (Some(1), None, 40));
    assert!(sample.types.is_empty() && sample.tags.is_empty());
    assert_eq!(samples.length(1), 40);
}

#[test]
fn pairs_have_two_ends_types_and_a_score() {
    let dir = tempdir().unwrap();
    let settings = SourceSettings { second_field: Some("second".into()), ..table("first", "score", LabelKind::Score) };
    let tokenizer = Tokenizer::bytes();
    let shards = shards(&dir.path().join("s"), &fixture("pairs.csv"), &settings, &tokenizer);
    let whole = samples(&shards, &tokenizer, 200);
    let pairs = read(&fixture("pairs.csv"), &settings).unwrap();
    for (number, pair) in pairs.iter().enumerate() {
        let (sample, second) = (whole.get(number), pair.second.as_ref().unwrap());
        assert_eq!(sample.ids.len(), pair.text.len() + second.len() + 3);
        assert_eq!(sample.types.iter().filter(|kind| **kind == 1).count(), second.len() + 1);
        assert_eq!(sample.special.iter().filter(|special| **special).count(), 3);
        assert_eq!(Label::Score(sample.score.unwrap()), pair.label);
        assert_eq!(tokenizer.decode(&sample.ids, true).unwrap(), format!("{}{second}", pair.text));
    }
    let cut = samples(&shards, &tokenizer, 23);
    let sample = cut.get(0);
    assert_eq!((sample.ids.len(), cut.length(0), sample.types.len()), (23, 23, 23));
    assert_eq!(sample.types.iter().sum::<u32>(), 11);
}

/// Words of several pieces carry their tag on the first, whatever the tokenizer does with spaces.
#[test]
fn tags_stand_on_first_pieces_alone() {
    let dir = tempdir().unwrap();
    let settings = form(Format::Conll, LabelKind::Tags);
    let found = read(&fixture("entities.conll"), &settings).unwrap();
    let texts = || found.iter().map(|document| Ok::<_, Error>(document.text.clone()));
    let train = |kind, size, lowercase| Tokenizer::train(kind, size, texts(), lowercase).unwrap();
    let tokenizers = [
        Tokenizer::bytes(),
        train(TokenizerKind::WordPiece, 90, true),
        train(TokenizerKind::Bpe, 300, false),
        train(TokenizerKind::Unigram, 90, false),
    ];
    for (number, tokenizer) in tokenizers.iter().enumerate() {
        let shards = shards(&dir.path().join(number.to_string()), &fixture("entities.conll"), &settings, tokenizer);
        let names = &shards.labels().unwrap().names;
        let (mut checked, mut words) = (0, 0);
        let samples = samples(&shards, tokenizer, 500);
        for (number, document) in found.iter().enumerate() {
            let sample = samples.get(number);
            let carried: Vec<(usize, &str)> = (0..sample.ids.len())
                .filter(|row| sample.tags[*row] != NO_TAG)
                .map(|row| (row, names[sample.tags[row] as usize].as_str()))
                .collect();
            let tags: Vec<&str> = document.label.names().collect();
            assert_eq!(carried.iter().map(|(_, name)| *name).collect::<Vec<_>>(), tags, "{}", document.text);
            let last = sample.ids.len() - 1;
            assert_eq!((sample.tags[0], sample.tags[last]), (NO_TAG, NO_TAG));
            // From one carrier to the next the tokens are exactly one word, as far as the small vocabulary can spell it.
            for (word, text) in document.text.split(' ').enumerate() {
                let end = carried.get(word + 1).map_or(last, |(row, _)| *row);
                let pieces = &sample.ids[carried[word].0..end];
                if tokenizer.vocabulary().unknown.is_some_and(|unknown| pieces.contains(&unknown)) {
                    continue;
                }
                let spelt = tokenizer.decode(pieces, true).unwrap();
                assert_eq!(spelt.trim().to_lowercase(), text.to_lowercase());
                checked += 1;
            }
            words += tags.len();
        }
        assert!(checked * 2 > words, "{checked} of {words} words could be spelt");
    }
}

/// A long tagged text is cut into samples; no tag is lost or comes twice.
#[test]
fn tags_of_a_text_in_pieces_are_all_there() {
    let dir = tempdir().unwrap();
    let (settings, tokenizer) = (form(Format::Conll, LabelKind::Tags), Tokenizer::bytes());
    let shards = shards(&dir.path().join("s"), &fixture("entities.conll"), &settings, &tokenizer);
    let samples = samples(&shards, &tokenizer, 16);
    let cut: usize =
        (0..samples.len()).map(|number| samples.get(number).tags.iter().filter(|tag| **tag >= 0).count()).sum();
    let words: usize = read(&fixture("entities.conll"), &settings)
        .unwrap()
        .iter()
        .map(|document| document.label.names().count())
        .sum();
    assert_eq!(cut, words);
}

#[test]
fn labels_that_are_not_in_the_list_are_named_with_their_line() {
    let dir = tempdir().unwrap();
    let write = |path: &Path, settings: &SourceSettings, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let labels = Labels { kind: settings.label_kind.unwrap(), names };
        let texts = documents(&[path.to_owned()], settings);
        let target = dir.path().join("shards");
        let bytes = Tokenizer::bytes();
        let error = write_labelled_shards(texts, Some(&labels), Vec::new(), "", &bytes, &target, &mut |_, _| {});
        assert!(!target.exists(), "nothing is written");
        error.unwrap_err().to_string()
    };
    let text = write(&fixture("opinions.tsv"), &table("0", "1", LabelKind::Class), &["bad", "fair"]);
    assert!(
        text.contains("opinions.tsv, line 2") && text.contains("`good`") && text.contains("`bad`, `fair`"),
        "{text}"
    );
    let conll = form(Format::Conll, LabelKind::Tags);
    let text = write(&fixture("entities.conll"), &conll, &["O", "B-person", "I-person"]);
    assert!(text.contains("entities.conll, line 4") && text.contains("`B-place`"), "{text}");
    // A plain text file has no labels at all.
    let path = file(dir.path(), "plain.txt", "some text");
    let text =
        write(&path, &SourceSettings { label_kind: Some(LabelKind::Class), ..SourceSettings::default() }, &["x"]);
    assert!(text.contains("plain.txt, line 1") && text.contains("`label_field`"), "{text}");
}
