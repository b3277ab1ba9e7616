//! Pseudo-perplexity of a masked language model: each token masked in turn and predicted from both sides.
//!
//! Salazar et al. 2020, arXiv:1910.14659, section 2.2; whole words as in Kauf and Ivanova 2023, arXiv:2305.10588; predictions one
//! place earlier as in Charpentier and Samuel 2024, arXiv:2410.24159, section 2. A text of t tokens takes t passes of t rows.

use plugin_api::metrics::{bits, perplexity};
use plugin_api::prelude::*;
use plugin_api::scoring::{Likelihood, ScoredText, Scorer, split, texts_of};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct PseudoPerplexitySettings {
    /// The role of the model.
    #[setting(default = "encoder")]
    role: String,
    /// `pseudo` masks the token alone, `pseudo-word` with it the rest of its word, `shifted` predicts it where the token before stands.
    #[setting(default = "pseudo", choices = ["pseudo", "pseudo-word", "shifted"])]
    how: String,
    /// Rows that pass through the model at a time; changes memory and speed, never results.
    #[setting(default = 4096, range = 1..=16777216)]
    rows: usize,
}

/// The evaluator.
pub struct PseudoPerplexity {
    scorer: Scorer,
    how: Likelihood,
    vocabulary: Vocabulary,
}

impl Evaluator for PseudoPerplexity {
    type Settings = PseudoPerplexitySettings;

    fn new(settings: PseudoPerplexitySettings, scope: &Scope) -> Result<Self> {
        let how = Likelihood::from_name(&settings.how)?;
        Ok(Self {
            scorer: Scorer::new(scope, &settings.role, how, settings.rows)?,
            how,
            vocabulary: scope.vocabulary("text")?,
        })
    }

    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let starts = samples.iter().map(|sample| sample.bools("text.word_starts")).collect::<Result<Vec<_>>>()?;
        samples.add("word_starts", &starts.concat())
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let starts = split(&batch.tensor("word_starts")?.to_vec::<bool>()?, &batch.layout("text")?)?;
        let first = usize::from(!self.how.scores_first());
        let texts = texts_of(batch)?.into_iter().zip(starts).map(|(tokens, word_starts)| ScoredText {
            asked: (first..tokens.len()).filter(|place| !self.vocabulary.is_special(tokens[*place])).collect(),
            tokens,
            word_starts,
        });
        let texts: Vec<ScoredText> = texts.collect();
        let nats: Vec<f64> =
            self.scorer.log_probabilities(&texts)?.iter().map(|own| -own.iter().sum::<f64>()).collect();
        let tokens: Vec<f64> = texts.iter().map(|text| text.asked.len() as f64).collect();
        let words = texts.iter().map(|text| text.asked.iter().filter(|place| text.word_starts[**place]).count() as f64);
        let words: Vec<f64> = words.collect();
        let each = |values: &[f64]| Tensor::new(values, &[values.len()]);
        Ok(Loss::new().item("nats", &each(&nats)).item("tokens", &each(&tokens)).item("words", &each(&words)))
    }

    fn figures(&self, _: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let sum = |name: &str| Ok::<f64, Error>(held_out.numbers(name)?.iter().sum());
        let (nats, tokens, words) = (sum("nats")?, sum("tokens")?, sum("words")?);
        let figures = [
            ("pseudo_perplexity", perplexity(nats, tokens)),
            ("word_pseudo_perplexity", perplexity(nats, words)),
            ("loss", nats / tokens),
            ("bits_per_token", bits(nats, tokens)),
            ("tokens", tokens),
            ("words", words),
        ];
        Ok(figures.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }
}

export_plugin! { name: "pseudo-perplexity", provides: [Evaluator<PseudoPerplexity>] }
