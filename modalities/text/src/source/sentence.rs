//! Sentences of a paragraph, by punctuation.

/// Words before a full stop that end no sentence; compared without regard to case.
const TITLES: [&str; 14] =
    ["mr", "mrs", "ms", "dr", "st", "prof", "rev", "hon", "capt", "col", "gen", "messrs", "mme", "mlle"];

/// A piece of a paragraph.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sentence<'a> {
    /// Its text, without white space at the ends; line breaks stay inside.
    pub(crate) text: &'a str,
    /// Line breaks of the paragraph before it.
    pub(crate) lines_before: u64,
}

/// The sentences of `paragraph` in order; together they hold everything but white space. The rule is that of
/// [`super::TextUnit::Sentence`].
pub(crate) fn sentences(paragraph: &str) -> Vec<Sentence<'_>> {
    let (mut found, mut start, mut lines_before) = (Vec::new(), 0, 0);
    let mut ends = ends(paragraph);
    ends.push(paragraph.len());
    for end in ends {
        let piece = &paragraph[start..end];
        let text = piece.trim();
        let leading = &piece[..piece.len() - piece.trim_start().len()];
        let breaks = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        if !text.is_empty() {
            found.push(Sentence { text, lines_before: lines_before + breaks(leading) });
        }
        lines_before += breaks(piece);
        start = end;
    }
    found
}

/// Where sentences end, the last one aside.
fn ends(paragraph: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut letters = paragraph.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if !matches!(letter, '.' | '!' | '?') {
            continue;
        }
        let mut end = at + letter.len_utf8();
        while let Some((at, letter)) = letters.next_if(|(_, letter)| ends_with_it(*letter)) {
            end = at + letter.len_utf8();
        }
        let rest = &paragraph[end..];
        let following = rest.trim_start();
        let apart = following.len() < rest.len();
        if apart && following.starts_with(begins_a_sentence) && !(letter == '.' && is_short(&paragraph[..at])) {
            ends.push(end);
        }
    }
    ends
}

fn ends_with_it(letter: char) -> bool {
    matches!(letter, '.' | '!' | '?' | '"' | '\'' | '\u{201d}' | '\u{2019}' | ')' | ']' | '\u{bb}')
}

fn begins_a_sentence(letter: char) -> bool {
    letter.is_uppercase()
        || letter.is_ascii_digit()
        || matches!(letter, '"' | '\'' | '\u{201c}' | '\u{2018}' | '(' | '[' | '\u{ab}' | '_' | '\u{2014}')
}

/// Whether the last word before a full stop is an initial or a title.
fn is_short(before: &str) -> bool {
    let word = before.rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I";
    initial || TITLES.iter().any(|title| word.eq_ignore_ascii_case(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(paragraph: &str) -> Vec<&str> {
        sentences(paragraph).into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn sentences_end_where_another_begins() {
        assert_eq!(
            texts("He came. \"Who is it?\" she said. 'Tis I! And\nso... on it went."),
            ["He came.", "\"Who is it?\" she said.", "'Tis I!", "And\nso... on it went."]
        );
        assert_eq!(texts("\u{201c}Stop!\u{201d} He ran."), ["\u{201c}Stop!\u{201d}", "He ran."]);
    }

    #[test]
    fn titles_initials_and_numbers_end_none() {
        assert_eq!(
            texts("Mr. Holmes met G. K. Chesterton. It cost 3.50 pounds."),
            ["Mr. Holmes met G. K. Chesterton.", "It cost 3.50 pounds."]
        );
        assert_eq!(texts("It was I. Nobody else."), ["It was I.", "Nobody else."]);
    }

    #[test]
    fn nothing_is_lost_and_lines_are_counted() {
        let found = sentences("One.\nTwo\nand a half. Three.");
        let lines: Vec<u64> = found.iter().map(|sentence| sentence.lines_before).collect();
        assert_eq!(lines, [0, 1, 2]);
        assert!(sentences(" \n ").is_empty());
        assert_eq!(texts("no end"), ["no end"]);
    }
}
