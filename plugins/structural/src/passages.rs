//! Tasks on the structure of a document: pairs and candidates drawn from its paragraphs and sentences.
//!
//! Di Liello et al. 2022, arXiv:2205.10455 (paragraph-aware pre-training: SSP, SP, PSD) and arXiv:2205.01228 (MSPP). A task is
//! a pivot, a rule for what belongs to it, a rule for what does not, and a context; the rules are functions of uniform draws.

use std::ops::Range;

/// Sentences by paragraph, as ranges of positions in a sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Passages(pub Vec<Vec<Range<usize>>>);

impl Passages {
    /// From where sentences and paragraphs begin. Special tokens belong to none; what stands before the first start, the
    /// rest of a sentence that was cut, is one of its own.
    #[must_use]
    pub fn new(special: &[bool], sentence_starts: &[bool], paragraph_starts: &[bool]) -> Self {
        let mut paragraphs: Vec<Vec<Range<usize>>> = Vec::new();
        for position in (0..special.len()).filter(|&position| !special[position]) {
            let apart = |end: usize| end != position;
            match paragraphs.last_mut() {
                Some(paragraph) if !paragraph_starts[position] => match paragraph.last_mut() {
                    Some(sentence) if !sentence_starts[position] && !apart(sentence.end) => sentence.end += 1,
                    _ => paragraph.push(position..position + 1),
                },
                _ => {
                    let sentence = position..position + 1;
                    paragraphs.push(Vec::from([sentence]));
                }
            }
        }
        Self(paragraphs)
    }
}

/// What is to be told of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Are two sentences of the same paragraph?
    SameParagraph,
    /// Is a sentence of this paragraph, from which it was taken out?
    InParagraph,
    /// Are two paragraphs of the same document?
    SameDocument,
    /// Which of k sentences are of the pivot's paragraph?
    Candidates(usize),
}

/// How pairs are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The task.
    pub task: Task,
    /// Probability that a second text belongs to the first.
    pub positive_share: f64,
    /// Of those that do not, the share from another document.
    pub easy_share: f64,
    /// Tokens to which each text is cut.
    pub longest: usize,
}

/// The texts of a sequence, and for each behind the first whether it belongs to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The first is the pivot.
    pub texts: Vec<Vec<u32>>,
    /// One fewer.
    pub related: Vec<bool>,
}

/// A sample with its structure.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Token ids.
    pub tokens: &'a [u32],
    /// Its sentences.
    pub passages: &'a Passages,
}

/// Draws for a sequence, as many as a task may need.
pub const DRAWS: usize = 96;

struct Draws<'a> {
    numbers: &'a [f64],
    next: usize,
}

impl Draws<'_> {
    fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.numbers[(self.next - 1) % self.numbers.len()]
    }

    fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count - 1)
    }

    /// Takes one of `pool` out.
    fn take<T>(&mut self, pool: &mut Vec<T>) -> T {
        let index = self.below(pool.len());
        pool.swap_remove(index)
    }
}

impl Document<'_> {
    fn text(&self, range: &Range<usize>) -> Vec<u32> {
        self.tokens[range.clone()].to_vec()
    }

    fn joined(&self, sentences: &[Range<usize>]) -> Vec<u32> {
        sentences.iter().flat_map(|range| self.tokens[range.clone()].iter().copied()).collect()
    }
}

impl Choice {
    /// Whether a sequence may take texts from another sample.
    #[must_use]
    pub fn needs_other(&self) -> bool {
        self.task == Task::SameDocument || self.easy_share > 0.0
    }

    /// The texts drawn from `own` and `other`, `None` where the sample is too short for a text that belongs and one that
    /// does not: then there is neither, so that the shares stay as they were set.
    #[must_use]
    pub fn draw(&self, own: Document<'_>, other: Option<Document<'_>>, numbers: &[f64]) -> Option<Texts> {
        let mut draws = Draws { numbers, next: 0 };
        let mut texts = match self.task {
            Task::SameDocument => self.documents(own, other?, &mut draws),
            Task::SameParagraph => self.sentences(own, other, 1, &mut draws),
            Task::InParagraph => self.context(own, other, &mut draws),
            Task::Candidates(count) => self.sentences(own, other, count, &mut draws),
        }?;
        texts.texts.iter_mut().for_each(|text| text.truncate(self.longest));
        Some(texts)
    }

    /// A paragraph for a pivot: one with enough sentences for the pivot and whatever may belong to it.
    fn paragraph(own: Document<'_>, sentences: usize, draws: &mut Draws<'_>) -> Option<usize> {
        let mut suitable: Vec<usize> = (0..own.passages.0.len()).collect();
        suitable.retain(|&paragraph| own.passages.0[paragraph].len() >= sentences);
        (!suitable.is_empty()).then(|| draws.take(&mut suitable))
    }

    /// A pivot and `count` sentences, each of its paragraph or not.
    fn sentences(
        &self,
        own: Document<'_>,
        other: Option<Document<'_>>,
        count: usize,
        draws: &mut Draws<'_>,
    ) -> Option<Texts> {
        let paragraph = Self::paragraph(own, count + 1, draws)?;
        let mut near = own.passages.0[paragraph].clone();
        let pivot = draws.take(&mut near);
        let away = own.passages.0.iter().enumerate().filter(|(number, _)| *number != paragraph);
        let mut hard: Vec<Range<usize>> = away.flat_map(|(_, sentences)| sentences.clone()).collect();
        let mut easy: Vec<Vec<u32>> = match other {
            Some(other) => other.passages.0.iter().flatten().map(|range| other.text(range)).collect(),
            None => Vec::new(),
        };
        let enough = |hard: usize, easy: usize| {
            (self.easy_share >= 1.0 || hard >= count) && (self.easy_share <= 0.0 || easy >= count)
        };
        if !enough(hard.len(), easy.len()) {
            return None;
        }
        let (mut texts, mut related) = (vec![own.text(&pivot)], Vec::new());
        for _ in 0..count {
            let belongs = draws.uniform() < self.positive_share;
            let is_easy = draws.uniform() < self.easy_share;
            texts.push(match (belongs, is_easy) {
                (true, _) => own.text(&draws.take(&mut near)),
                (false, false) => own.text(&draws.take(&mut hard)),
                (false, true) => draws.take(&mut easy),
            });
            related.push(belongs);
        }
        Some(Texts { texts, related })
    }

    /// A sentence, and the paragraph that it was taken from or another one without one of its sentences.
    fn context(&self, own: Document<'_>, other: Option<Document<'_>>, draws: &mut Draws<'_>) -> Option<Texts> {
        let paragraph = Self::paragraph(own, 2, draws)?;
        let mut rest = own.passages.0[paragraph].clone();
        let pivot = rest.remove(draws.below(rest.len()));
        let belongs = draws.uniform() < self.positive_share;
        let is_easy = draws.uniform() < self.easy_share;
        let suits = |(_, sentences): &(usize, &Vec<Range<usize>>)| sentences.len() >= 2;
        let mut hard: Vec<usize> = own.passages.0.iter().enumerate().filter(suits).map(|(number, _)| number).collect();
        hard.retain(|&number| number != paragraph);
        let mut easy: Vec<usize> = match other {
            Some(other) => other.passages.0.iter().enumerate().filter(suits).map(|(number, _)| number).collect(),
            None => Vec::new(),
        };
        if (self.easy_share < 1.0 && hard.is_empty()) || (self.easy_share > 0.0 && easy.is_empty()) {
            return None;
        }
        let context = match (belongs, is_easy, other) {
            (true, ..) => own.joined(&rest),
            (false, true, Some(other)) => without_one(other, draws.take(&mut easy), draws),
            _ => without_one(own, draws.take(&mut hard), draws),
        };
        Some(Texts { texts: vec![own.text(&pivot), context], related: vec![belongs] })
    }

    /// Two paragraphs of one sample, or of two.
    fn documents(&self, own: Document<'_>, other: Document<'_>, draws: &mut Draws<'_>) -> Option<Texts> {
        let mut paragraphs: Vec<usize> = (0..own.passages.0.len()).collect();
        if paragraphs.len() < 2 || other.passages.0.is_empty() {
            return None;
        }
        let belongs = draws.uniform() < self.positive_share;
        let first = draws.take(&mut paragraphs);
        let second = if belongs {
            own.joined(&own.passages.0[draws.take(&mut paragraphs)])
        } else {
            other.joined(&other.passages.0[draws.below(other.passages.0.len())])
        };
        Some(Texts { texts: vec![own.joined(&own.passages.0[first]), second], related: vec![belongs] })
    }
}

/// A paragraph without one of its sentences, so that no context tells by its completeness.
fn without_one(document: Document<'_>, paragraph: usize, draws: &mut Draws<'_>) -> Vec<u32> {
    let mut sentences = document.passages.0[paragraph].clone();
    sentences.remove(draws.below(sentences.len()));
    document.joined(&sentences)
}

#[cfg(test)]
#[path = "passages_tests.rs"]
mod tests;
