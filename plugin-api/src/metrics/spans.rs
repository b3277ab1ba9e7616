//! Spans of tagged words, and how many of them were found: the figures of named-entity recognition and chunking.
//!
//! Defined as in the script of CoNLL-2000 and seqeval's default mode: a span is right when its kind and both of its ends are.

use std::collections::BTreeSet;

use super::classes::Scores;

/// Some words in a row of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first word.
    pub start: usize,
    /// One past the last word.
    pub end: usize,
    /// What they are: `PER`.
    pub kind: String,
}

/// The spans of tags such as `B-PER`, `I-PER`, `O`; also of the schemes with `E-` (end) and `S-` (single).
///
/// An `I-` that continues nothing begins a span, and so does one of another kind than the span before it.
#[must_use]
pub fn spans_of_bio<S: AsRef<str>>(tags: &[S]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    // The span that the next word may continue.
    let mut open: Option<Span> = None;
    for (place, tag) in tags.iter().enumerate() {
        let (mark, kind) = parts(tag.as_ref());
        let continues = matches!(mark, 'I' | 'E') && open.as_ref().is_some_and(|span| span.kind == kind);
        if !continues {
            spans.extend(open.take());
            if mark != 'O' {
                open = Some(Span { start: place, end: place, kind: kind.to_owned() });
            }
        }
        if let Some(span) = &mut open {
            span.end = place + 1;
        }
        if matches!(mark, 'E' | 'S') {
            spans.extend(open.take());
        }
    }
    spans.extend(open);
    spans
}

/// Mark and kind of a tag: `I` and `PER` of `I-PER`. A mark without a kind is of the kind `_`.
fn parts(tag: &str) -> (char, &str) {
    let mut letters = tag.chars();
    let mark = letters.next().unwrap_or('O');
    let rest = letters.as_str();
    let kind = rest.strip_prefix('-').unwrap_or(rest);
    (mark, if kind.is_empty() { "_" } else { kind })
}

/// The spans of tags that only say what a word is: `PER`, or `O` for nothing. Neighbours of one kind are one span.
#[must_use]
pub fn spans_of_io<S: AsRef<str>>(tags: &[S]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (place, tag) in tags.iter().enumerate() {
        let kind = tag.as_ref().strip_prefix("I-").unwrap_or(tag.as_ref());
        if kind == "O" {
            continue;
        }
        match spans.last_mut() {
            Some(span) if span.end == place && span.kind == kind => span.end = place + 1,
            _ => spans.push(Span { start: place, end: place + 1, kind: kind.to_owned() }),
        }
    }
    spans
}

/// Precision, recall and F1 over the spans of all sentences together.
#[must_use]
pub fn span_scores(predicted: &[Vec<Span>], labelled: &[Vec<Span>]) -> Scores {
    let right = predicted.iter().zip(labelled).map(|(predicted, labelled)| {
        let labelled: BTreeSet<&Span> = labelled.iter().collect();
        predicted.iter().filter(|span| labelled.contains(span)).count()
    });
    let number = |spans: &[Vec<Span>]| spans.iter().map(Vec::len).sum();
    Scores::of_counts(right.sum(), number(predicted), number(labelled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(tags: &str) -> Vec<(usize, usize, String)> {
        let tags: Vec<&str> = tags.split(' ').collect();
        spans_of_bio(&tags).into_iter().map(|span| (span.start, span.end, span.kind)).collect()
    }

    fn span(start: usize, end: usize, kind: &str) -> (usize, usize, String) {
        (start, end, kind.into())
    }

    #[test]
    fn stray_marks_begin_spans() {
        assert_eq!(spans("O I-PER I-PER O"), [span(1, 3, "PER")]);
        assert_eq!(spans("B-PER I-LOC I-LOC"), [span(0, 1, "PER"), span(1, 3, "LOC")]);
        assert_eq!(spans("B-PER B-PER"), [span(0, 1, "PER"), span(1, 2, "PER")]);
        assert_eq!(spans("S-PER I-PER E-PER E-PER"), [span(0, 1, "PER"), span(1, 3, "PER"), span(3, 4, "PER")]);
        assert!(spans("O O").is_empty());
    }

    #[test]
    fn neighbours_of_one_kind_are_one_span_without_marks() {
        let found = spans_of_io(&["PER", "PER", "O", "LOC", "PER"]);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].start, found[0].end, found[2].start), (0, 2, 4));
        assert_eq!(spans_of_io(&["I-PER", "I-PER"]), spans_of_bio(&["I-PER", "I-PER"]));
    }
}
