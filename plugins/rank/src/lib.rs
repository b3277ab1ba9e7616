//! Rank classification: of several answers to a prompt, the one that the model finds likeliest.
//!
//! Brown et al. 2020, arXiv:2005.14165, section 2.4, and Sanh et al. 2021, arXiv:2110.08207, section 5.3: by the sum of the answer's
//! ln p, and by its mean over tokens. The data holds one pair of prompt and answer a line; lines in a row with the same prompt are
//! one question. The right answer has the score 1, others 0.

mod questions;

use plugin_api::metrics;
use plugin_api::prelude::*;
use plugin_api::scoring::{Likelihood, ScoredText, Scorer, pair, split, texts_of};

use questions::{Answer, Question, questions};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct RankSettings {
    /// The role of the model.
    #[setting(default = "decoder")]
    role: String,
    /// What a token's probability is: after those before it, masked, or masked and predicted where the token before stands.
    #[setting(default = "causal", choices = ["causal", "pseudo", "shifted"])]
    how: String,
    /// Score the end of the text behind each answer as well: for models that were trained to end there.
    #[setting(default = false)]
    end: bool,
    /// Rows that pass through the model at a time; changes memory and speed, never results.
    #[setting(default = 4096, range = 1..=16777216)]
    rows: usize,
}

/// The evaluator.
pub struct Rank {
    scorer: Scorer,
    how: Likelihood,
    end: bool,
    vocabulary: Vocabulary,
}

impl Evaluator for Rank {
    type Settings = RankSettings;

    fn new(settings: RankSettings, scope: &Scope) -> Result<Self> {
        let how = Likelihood::from_name(&settings.how)?;
        let scorer = Scorer::new(scope, &settings.role, how, settings.rows)?;
        Ok(Self { scorer, how, end: settings.end, vocabulary: scope.vocabulary("text")? })
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let types = batch.get("text.types")?.ok_or_else(|| {
            Error::data("the data has no pairs of prompt and answer")
                .help("name both columns in [data.text]: `field = \"prompt\"`, `second_field = \"answer\"`")
        })?;
        let types = split(&types.to_vec::<u32>()?, &batch.layout("text")?)?;
        let (mut texts, mut prompts) = (Vec::new(), Vec::new());
        for (tokens, types) in texts_of(batch)?.iter().zip(&types) {
            let [prompt, answer] = pair(tokens, types, &self.vocabulary);
            prompts.push(questions::number(&prompt));
            texts.push(self.text(&prompt, &answer)?);
        }
        let log_probabilities = self.scorer.log_probabilities(&texts)?;
        let sums: Vec<f64> = log_probabilities.iter().map(|own| own.iter().sum()).collect();
        let lengths: Vec<f64> = log_probabilities.iter().map(|own| own.len() as f64).collect();
        let each = |values: &[f64]| Tensor::new(values, &[values.len()]);
        Ok(Loss::new()
            .item("log_probability", &each(&sums))
            .item("tokens", &each(&lengths))
            .item("right", &batch.tensor("text.score")?)
            .item_for_figures("prompt", &each(&prompts)))
    }

    fn figures(&self, _: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let (sums, lengths) = (held_out.numbers("log_probability")?, held_out.numbers("tokens")?);
        let (right, prompts) = (held_out.numbers("right")?, held_out.numbers("prompt")?);
        let answers = (0..held_out.len()).map(|place| Answer {
            prompt: prompts[place],
            log_probability: sums[place],
            tokens: lengths[place],
            right: right[place] > 0.5,
        });
        let questions = questions(answers)?;
        let share = |of: &dyn Fn(&Question) -> f64| metrics::mean(&questions.iter().map(of).collect::<Vec<_>>());
        Ok(vec![
            ("accuracy".to_owned(), share(&|question| question.right_by(|answer| answer.log_probability))),
            ("normalised_accuracy".to_owned(), share(&|question| question.right_by(Answer::mean))),
            ("chance".to_owned(), share(&Question::chance)),
            ("questions".to_owned(), questions.len() as f64),
        ])
    }
}

impl Rank {
    /// Prompt and answer as one text; asked for are the tokens of the answer.
    fn text(&self, prompt: &[u32], answer: &[u32]) -> Result<ScoredText> {
        let begin = self.vocabulary.begin_token().ok();
        let end = self.vocabulary.end_token().ok();
        let mut tokens: Vec<u32> = begin.into_iter().chain(prompt.iter().copied()).collect();
        let mut first = tokens.len();
        if first == 0 && !self.how.scores_first() {
            first = 1;
        }
        tokens.extend_from_slice(answer);
        let mut last = tokens.len();
        if let Some(end) = end {
            // A masked model has seen whole texts only.
            if self.end || self.how != Likelihood::Causal {
                tokens.push(end);
            }
            last += usize::from(self.end);
        }
        if first >= last {
            return Err(Error::data("an answer has no tokens").help("give every line a prompt and an answer"));
        }
        Ok(ScoredText { tokens, word_starts: Vec::new(), asked: (first..last).collect() })
    }
}

export_plugin! {
    name: "rank",
    provides: [Evaluator<Rank>],
    exempt: [("figures", "the samples of the suite are no questions: each prompt has one answer")]
}
