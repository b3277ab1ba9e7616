//! From the labels of words to spans and their figures.

use plugin_api::metrics::{self, Span};
use plugin_api::prelude::*;

/// How tags make spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `B-` begins a span, `I-` goes on with it.
    Bio,
    /// Neighbours with the same tag are one span.
    Io,
    /// Each word stands for itself.
    None,
}

impl Scheme {
    /// By the names of the tags: BIO where some begin with `B-`, IO where all but `O` begin with `I-`.
    pub(crate) fn of(labels: &[String]) -> Self {
        let mut tags = labels.iter().filter(|label| *label != "O").peekable();
        if labels.iter().any(|label| label.starts_with("B-")) {
            Self::Bio
        } else if tags.peek().is_some() && tags.all(|label| label.starts_with("I-")) {
            Self::Io
        } else {
            Self::None
        }
    }

    fn spans(self, tags: &[&str]) -> Vec<Span> {
        match self {
            Self::Bio => metrics::spans_of_bio(tags),
            Self::Io => metrics::spans_of_io(tags),
            Self::None => Vec::new(),
        }
    }
}

/// The figures of the labels predicted for the words of each sentence.
pub(crate) fn figures(
    labels: &[String],
    scheme: Scheme,
    predicted: &[Vec<f64>],
    labelled: &[Vec<f64>],
) -> Result<Vec<(String, f64)>> {
    let number = |value: &f64| {
        let number = *value as usize;
        let known = *value >= 0.0 && number < labels.len();
        known.then_some(number).ok_or_else(|| Error::new("plugin/items", format!("{value} is the number of no label")))
    };
    let numbers = |lists: &[Vec<f64>]| -> Result<Vec<Vec<usize>>> {
        lists.iter().map(|list| list.iter().map(number).collect()).collect()
    };
    let (predicted, labelled) = (numbers(predicted)?, numbers(labelled)?);
    let (all, right) = (predicted.concat(), labelled.concat());
    let mut figures = vec![("accuracy".to_owned(), metrics::accuracy(&all, &right))];
    if scheme == Scheme::None {
        figures.push(("macro_f1".to_owned(), metrics::macro_f1(&all, &right)));
        return Ok(figures);
    }
    let spans = |sentences: &[Vec<usize>]| -> Vec<Vec<Span>> {
        let names = |words: &Vec<usize>| words.iter().map(|word| labels[*word].as_str()).collect::<Vec<_>>();
        sentences.iter().map(|words| scheme.spans(&names(words))).collect()
    };
    let scores = metrics::span_scores(&spans(&predicted), &spans(&labelled));
    figures.push(("span_f1".to_owned(), scores.f1));
    figures.push(("precision".to_owned(), scores.precision));
    figures.push(("recall".to_owned(), scores.recall));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn owned(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    fn figure(found: &[(String, f64)], name: &str) -> f64 {
        found.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Gold {(0, 1, PER), (3, 3, LOC)}, predicted {(0, 1, PER), (3, 4, LOC)}: one of two spans each.
    #[test]
    fn half_of_the_spans_are_right() {
        let labels = owned(&["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]);
        let (gold, found) = (vec![vec![1.0, 3.0, 4.0, 0.0, 4.0]], vec![vec![1.0, 3.0, 4.0, 0.0, 2.0]]);
        assert_eq!(Scheme::of(&labels), Scheme::Bio);
        let figures = figures(&labels, Scheme::Bio, &found, &gold).unwrap();
        for name in ["span_f1", "precision", "recall"] {
            assert_eq!(figure(&figures, name), 0.5, "{name}");
        }
        assert_eq!(figure(&figures, "accuracy"), 0.8);
    }

    #[test]
    fn spans_end_with_their_sentence() {
        let labels = owned(&["I-PER", "O"]);
        assert_eq!(Scheme::of(&labels), Scheme::Io);
        // The same words as one sentence are one span, as two sentences two: one of them found.
        let figures = figures(&labels, Scheme::Io, &[vec![0.0], vec![1.0]], &[vec![0.0], vec![0.0]]).unwrap();
        assert_eq!((figure(&figures, "precision"), figure(&figures, "recall")), (1.0, 0.5));
    }

    #[test]
    fn tags_without_spans_have_classes() {
        let labels = owned(&["at", "nn"]);
        assert_eq!(Scheme::of(&labels), Scheme::None);
        let figures = figures(&labels, Scheme::None, &[vec![0.0, 1.0]], &[vec![0.0, 0.0]]).unwrap();
        assert_eq!(figures.len(), 2);
        assert!(super::figures(&labels, Scheme::None, &[vec![2.0]], &[vec![0.0]]).is_err());
    }
}
