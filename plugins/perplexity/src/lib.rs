//! Perplexity of a causal language model: how many tokens it hesitates between.
//!
//! Jelinek et al. 1977; for each word as well, so that models with other tokenizers compare. Each sample is scored by itself, from
//! left to right; its first token has nothing before it and is not counted.

use plugin_api::metrics::{bits, perplexity};
use plugin_api::prelude::*;
use plugin_api::scoring::{Likelihood, ScoredText, Scorer, split, texts_of};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct PerplexitySettings {
    /// The role of the model.
    #[setting(default = "decoder")]
    role: String,
    /// Count special tokens, such as the end of a text.
    #[setting(default = false)]
    special: bool,
    /// Rows that pass through the model at a time; changes memory and speed, never results.
    #[setting(default = 4096, range = 1..=16777216)]
    rows: usize,
}

/// The evaluator.
pub struct Perplexity {
    scorer: Scorer,
    vocabulary: Vocabulary,
    special: bool,
}

impl Evaluator for Perplexity {
    type Settings = PerplexitySettings;

    fn new(settings: PerplexitySettings, scope: &Scope) -> Result<Self> {
        let model = scope.model(&settings.role)?;
        if !model.describe()?.causal {
            let text = format!("the model of the role `{}` sees the tokens it is to predict", settings.role);
            return Err(Error::new("plugin/model", text)
                .help("measure it with `pseudo-perplexity`, or set `causal = true` where it was trained so"));
        }
        Ok(Self {
            scorer: Scorer::new(scope, &settings.role, Likelihood::Causal, settings.rows)?,
            vocabulary: scope.vocabulary("text")?,
            special: settings.special,
        })
    }

    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let starts = samples.iter().map(|sample| sample.bools("text.word_starts")).collect::<Result<Vec<_>>>()?;
        samples.add("word_starts", &starts.concat())
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let counted = |token: u32| self.special || !self.vocabulary.is_special(token);
        let texts: Vec<ScoredText> = texts_of(batch)?
            .into_iter()
            .map(|tokens| ScoredText {
                asked: (1..tokens.len()).filter(|place| counted(tokens[*place])).collect(),
                tokens,
                word_starts: Vec::new(),
            })
            .collect();
        let starts = split(&batch.tensor("word_starts")?.to_vec::<bool>()?, &batch.layout("text")?)?;
        let nats: Vec<f64> =
            self.scorer.log_probabilities(&texts)?.iter().map(|own| -own.iter().sum::<f64>()).collect();
        let tokens: Vec<f64> = texts.iter().map(|text| text.asked.len() as f64).collect();
        let words = texts.iter().zip(&starts).map(|(text, starts)| {
            let begun = |place: &&usize| starts[**place] && !self.vocabulary.is_special(text.tokens[**place]);
            text.asked.iter().filter(begun).count() as f64
        });
        let words: Vec<f64> = words.collect();
        let each = |values: &[f64]| Tensor::new(values, &[values.len()]);
        Ok(Loss::new().item("nats", &each(&nats)).item("tokens", &each(&tokens)).item("words", &each(&words)))
    }

    fn figures(&self, _: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let sum = |name: &str| Ok::<f64, Error>(held_out.numbers(name)?.iter().sum());
        let (nats, tokens, words) = (sum("nats")?, sum("tokens")?, sum("words")?);
        let figures = [
            ("perplexity", perplexity(nats, tokens)),
            ("word_perplexity", perplexity(nats, words)),
            ("loss", nats / tokens),
            ("bits_per_token", bits(nats, tokens)),
            ("tokens", tokens),
            ("words", words),
        ];
        Ok(figures.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }
}

export_plugin! { name: "perplexity", provides: [Evaluator<Perplexity>] }
