//! Answers that belong to one prompt.

use plugin_api::prelude::*;

/// An answer as it was scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    /// What its prompt is told by.
    pub(crate) prompt: f64,
    /// Σ ln p of its tokens.
    pub(crate) log_probability: f64,
    /// How many those are.
    pub(crate) tokens: f64,
    /// Whether it is the right one.
    pub(crate) right: bool,
}

impl Answer {
    /// ln p for each token.
    pub(crate) fn mean(&self) -> f64 {
        self.log_probability / self.tokens
    }
}

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question(Vec<Answer>);

impl Question {
    /// 1 where the answer with the highest score is right; of equal scores the first counts.
    pub(crate) fn right_by(&self, score: impl Fn(&Answer) -> f64) -> f64 {
        let best = self.0.iter().reduce(|best, answer| if score(answer) > score(best) { answer } else { best });
        f64::from(u8::from(best.is_some_and(|best| best.right)))
    }

    /// How often a blind guess is right.
    pub(crate) fn chance(&self) -> f64 {
        self.0.iter().filter(|answer| answer.right).count() as f64 / self.0.len() as f64
    }
}

/// A number for a prompt, by which it is known again; exact in double precision.
pub(crate) fn number(prompt: &[u32]) -> f64 {
    // FNV-1a (Fowler, Noll and Vo), cut to 52 bits.
    let hash = prompt.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, token| {
        token.to_le_bytes().iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    });
    (hash >> 12) as f64
}

/// Answers in a row with the same prompt are one question.
///
/// # Errors
/// When a question has one answer only, or none of its answers is right.
pub(crate) fn questions(answers: impl IntoIterator<Item = Answer>) -> Result<Vec<Question>> {
    let mut all: Vec<Question> = Vec::new();
    for answer in answers {
        match all.last_mut() {
            Some(Question(own)) if own[0].prompt == answer.prompt => own.push(answer),
            _ => all.push(Question(vec![answer])),
        }
    }
    for (place, Question(answers)) in all.iter().enumerate() {
        let fault = if answers.len() < 2 {
            "has one answer only"
        } else if answers.iter().all(|answer| !answer.right) {
            "has no right answer"
        } else {
            continue;
        };
        return Err(Error::data(format!("question {} {fault}", place + 1))
            .help("lines of one question follow each other with the same prompt; one of them has the score 1"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn answer(prompt: f64, log_probability: f64, tokens: f64, right: bool) -> Answer {
        Answer { prompt, log_probability, tokens, right }
    }

    #[test]
    fn sums_prefer_short_answers_and_means_do_not() {
        let all = [answer(1.0, -2.0, 1.0, false), answer(1.0, -3.0, 3.0, true), answer(2.0, -1.0, 1.0, true)];
        let all = questions([all[0], all[1], all[2], answer(2.0, -1.0, 1.0, false)]).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].right_by(|answer| answer.log_probability), all[0].right_by(Answer::mean)), (0.0, 1.0));
        assert_eq!((all[1].right_by(Answer::mean), all[1].chance()), (1.0, 0.5));
    }

    #[test]
    fn questions_without_a_choice_or_an_answer_are_refused() {
        let alone = questions([answer(1.0, 0.0, 1.0, true)]).unwrap_err();
        assert!(alone.text().contains("question 1 has one answer"));
        assert!(questions([answer(1.0, 0.0, 1.0, false), answer(1.0, 0.0, 1.0, false)]).is_err());
    }

    #[test]
    fn prompts_are_told_apart() {
        assert_ne!(number(&[1, 2]), number(&[2, 1]));
        assert!(number(&[7; 100]) < 9e15 && number(&[]).fract() == 0.0);
    }
}
