//! Pairs drawn from a document whose tokens tell where they are from: paragraph · 100 + sentence · 10 + word.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// Paragraphs of so many sentences of three words, from token `first` on.
fn document(first: u32, sentences: &[usize]) -> (Vec<u32>, Passages) {
    let (mut tokens, mut sentence_starts, mut paragraph_starts) = (vec![1], vec![false], vec![false]);
    for (paragraph, &count) in sentences.iter().enumerate() {
        for sentence in 0..count {
            for word in 0..3 {
                tokens.push(first + 100 * paragraph as u32 + 10 * sentence as u32 + word);
                sentence_starts.push(word == 0);
                paragraph_starts.push(word == 0 && sentence == 0);
            }
        }
    }
    tokens.push(2);
    sentence_starts.push(false);
    paragraph_starts.push(false);
    let special: Vec<bool> = tokens.iter().map(|&token| token < 10).collect();
    let passages = Passages::new(&special, &sentence_starts, &paragraph_starts);
    (tokens, passages)
}

fn numbers(seed: u64) -> Vec<f64> {
    (0..DRAWS as u64)
        .map(|index| {
            let mut mixed = (seed * 1000 + index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        })
        .collect()
}

fn choice(task: Task) -> Choice {
    Choice { task, positive_share: 0.5, easy_share: 0.0, longest: 64 }
}

fn all(choice: Choice) -> Vec<Texts> {
    let (own, other) = (document(1000, &[3, 4, 2, 1]), document(5000, &[4, 3]));
    let own = Document { tokens: &own.0, passages: &own.1 };
    let other = Document { tokens: &other.0, passages: &other.1 };
    (0..4000).map(|seed| choice.draw(own, Some(other), &numbers(seed)).unwrap()).collect()
}

fn paragraph(token: u32) -> u32 {
    token / 100
}

#[test]
fn sentences_and_paragraphs_are_found() {
    let (tokens, passages) = document(1000, &[2, 1]);
    assert_eq!(tokens.len(), 11);
    assert_eq!(passages.0.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(passages.0.concat(), [1..4, 4..7, 7..10]);
    // The rest of a sentence that was cut, then a whole one.
    let cut = Passages::new(&[false; 4], &[false, false, true, false], &[false; 4]);
    assert_eq!(cut.0, [vec![0..2, 2..4]]);
    assert_eq!(Passages::new(&[true; 2], &[false; 2], &[false; 2]), Passages::default());
}

#[test]
fn labels_are_balanced_as_configured_and_right() {
    for share in [0.5, 0.2] {
        let drawn = all(Choice { positive_share: share, ..choice(Task::SameParagraph) });
        let positive = drawn.iter().filter(|texts| texts.related[0]).count() as f64 / drawn.len() as f64;
        assert!((positive - share).abs() < 0.03, "{positive}");
        for Texts { texts, related } in drawn {
            assert_eq!(related[0], paragraph(texts[0][0]) == paragraph(texts[1][0]));
            assert_ne!(texts[0], texts[1]);
            assert!(texts[1][0] < 5000 && texts.iter().all(|text| text.len() == 3));
        }
    }
    let mixed = all(Choice { easy_share: 0.25, ..choice(Task::SameParagraph) });
    let negatives: Vec<&Texts> = mixed.iter().filter(|texts| !texts.related[0]).collect();
    let easy = negatives.iter().filter(|texts| texts.texts[1][0] >= 5000).count() as f64 / negatives.len() as f64;
    assert!((easy - 0.25).abs() < 0.04, "{easy}");
}

#[test]
fn a_paragraph_never_holds_the_sentence_it_is_asked_for() {
    for easy_share in [0.0, 0.5] {
        for Texts { texts, related } in all(Choice { easy_share, ..choice(Task::InParagraph) }) {
            assert!(texts[0].iter().all(|token| !texts[1].contains(token)));
            assert_eq!(related[0], paragraph(texts[0][0]) == paragraph(texts[1][0]));
            // Each context lacks one sentence of its paragraph.
            assert!(
                texts[1].len() % 3 == 0 && texts[1].windows(2).all(|pair| paragraph(pair[0]) == paragraph(pair[1]))
            );
        }
    }
}

#[test]
fn paragraphs_are_of_one_document_or_of_two() {
    let drawn = all(choice(Task::SameDocument));
    let positive = drawn.iter().filter(|texts| texts.related[0]).count() as f64 / drawn.len() as f64;
    assert!((positive - 0.5).abs() < 0.03, "{positive}");
    for Texts { texts, related } in drawn {
        assert_eq!(related[0], texts[1][0] < 5000);
        assert!(paragraph(texts[0][0]) != paragraph(texts[1][0]));
    }
}

#[test]
fn candidates_are_distinct_and_labelled_one_by_one() {
    let drawn = all(choice(Task::Candidates(2)));
    for Texts { texts, related } in &drawn {
        assert_eq!((texts.len(), related.len()), (3, 2));
        assert!(texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2]);
        for (text, related) in texts[1..].iter().zip(related) {
            assert_eq!(*related, paragraph(texts[0][0]) == paragraph(text[0]));
        }
    }
}

#[test]
fn a_sample_without_both_kinds_gives_none_and_long_texts_are_cut() {
    for sentences in [&[5][..], &[1, 1, 1], &[]] {
        let (tokens, passages) = document(1000, sentences);
        let own = Document { tokens: &tokens, passages: &passages };
        for task in [Task::SameParagraph, Task::InParagraph, Task::Candidates(2)] {
            assert_eq!(choice(task).draw(own, None, &numbers(1)), None, "{task:?} of {sentences:?}");
        }
        assert_eq!(choice(Task::SameDocument).draw(own, None, &numbers(1)), None);
    }
    let cut = all(Choice { longest: 2, ..choice(Task::InParagraph) });
    assert!(cut.iter().flat_map(|texts| &texts.texts).all(|text| text.len() == 2));
}
