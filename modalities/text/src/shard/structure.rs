//! Where the sentences and paragraphs of a document begin, among its tokens.

use std::ops::Range;

use super::labels::first_pieces;
use crate::source::sentence::sentences;

/// What begins with a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    /// A sentence, by the rule of [`crate::TextUnit::Sentence`].
    pub sentence: bool,
    /// A paragraph: what follows an empty line, and the first of a document.
    pub paragraph: bool,
}

/// What begins with each token of `text`, of which `offsets` says the bytes it stands for.
pub(super) fn starts(text: &str, offsets: &[Range<usize>]) -> Vec<Starts> {
    let (mut places, mut begins) = (Vec::new(), Vec::new());
    for paragraph in paragraphs(text) {
        for (number, sentence) in sentences(&text[paragraph.clone()]).into_iter().enumerate() {
            // Both are parts of one string.
            places.push(sentence.text.as_ptr() as usize - text.as_ptr() as usize);
            begins.push(Starts { sentence: true, paragraph: number == 0 });
        }
    }
    let mut starts = vec![Starts::default(); offsets.len()];
    for (begins, piece) in begins.into_iter().zip(first_pieces(text, offsets, &places)) {
        if let Some(piece) = piece {
            let start: &mut Starts = &mut starts[piece];
            start.sentence = true;
            start.paragraph |= begins.paragraph;
        }
    }
    starts
}

/// The parts of a text between empty lines.
fn paragraphs(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut first, mut at) = (Vec::new(), None, 0);
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            found.extend(first.take().map(|first| first..at));
        } else {
            first.get_or_insert(at);
        }
        at += line.len();
    }
    found.extend(first.map(|first| first..at));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as tokens.
    fn words(text: &str) -> Vec<Range<usize>> {
        let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        text.split_whitespace().map(|word| place(word)..place(word) + word.len()).collect()
    }

    #[test]
    fn sentences_and_paragraphs_begin_with_their_first_token() {
        let text = "\nOne two.\nThree four. Five\nsix.\n \n\nSeven. Eight.";
        let found = starts(text, &words(text));
        let at = |pick: fn(&Starts) -> bool| -> Vec<usize> {
            found.iter().enumerate().filter(|(_, start)| pick(start)).map(|(place, _)| place).collect()
        };
        assert_eq!(at(|start| start.sentence), [0, 2, 4, 6, 7]);
        assert_eq!(at(|start| start.paragraph), [0, 6]);
        assert_eq!(starts("", &[]), []);
    }
}
