//! Minimal pairs: of two sentences that differ in one thing, does the model find the grammatical one likelier?
//!
//! Warstadt et al. 2020, arXiv:1912.00582, section 4.1: a whole sentence by the sum of its tokens' ln p; masked models by their
//! pseudo-log-likelihood. A tie is no success.

use std::collections::BTreeMap;

use plugin_api::metrics;
use plugin_api::prelude::*;
use plugin_api::scoring::{Likelihood, ScoredText, Scorer, enclosed, split, texts_of};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct MinimalPairsSettings {
    /// The role of the model.
    #[setting(default = "decoder")]
    role: String,
    /// What a token's probability is: after those before it, masked, masked with the rest of its word, or masked and predicted where the token before stands.
    #[setting(default = "causal", choices = ["causal", "pseudo", "pseudo-word", "shifted"])]
    how: String,
    /// Divide each sentence's ln p by its tokens, so that longer ones are not at a disadvantage.
    #[setting(default = false)]
    normalise: bool,
    /// Rows that pass through the model at a time; changes memory and speed, never results.
    #[setting(default = 4096, range = 1..=16777216)]
    rows: usize,
}

/// The evaluator.
pub struct MinimalPairs {
    scorer: Scorer,
    how: Likelihood,
    normalise: bool,
    vocabulary: Vocabulary,
    /// Names of the phenomena, where the pairs are labelled with them.
    phenomena: Vec<String>,
}

impl Evaluator for MinimalPairs {
    type Settings = MinimalPairsSettings;

    fn new(settings: MinimalPairsSettings, scope: &Scope) -> Result<Self> {
        let how = Likelihood::from_name(&settings.how)?;
        let labelled = scope.label_kind("text")?.as_deref() == Some("class");
        Ok(Self {
            scorer: Scorer::new(scope, &settings.role, how, settings.rows)?,
            how,
            normalise: settings.normalise,
            vocabulary: scope.vocabulary("text")?,
            phenomena: if labelled { scope.labels("text")? } else { Vec::new() },
        })
    }

    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let starts = samples.iter().map(|sample| sample.bools("text.word_starts")).collect::<Result<Vec<_>>>()?;
        samples.add("word_starts", &starts.concat())
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let layout = batch.layout("text")?;
        let types = batch.get("text.types")?.ok_or_else(|| {
            Error::data("the data has no pairs of sentences")
                .help("name both columns in [data.text]: `field = \"good\"`, `second_field = \"bad\"`")
        })?;
        let (types, starts) = (
            split(&types.to_vec::<u32>()?, &layout)?,
            split(&batch.tensor("word_starts")?.to_vec::<bool>()?, &layout)?,
        );
        let mut texts = Vec::new();
        for ((tokens, types), starts) in texts_of(batch)?.iter().zip(&types).zip(&starts) {
            texts.extend([0, 1].map(|side| self.sentence(tokens, types, starts, side)));
        }
        let log_probabilities = self.scorer.log_probabilities(&texts)?;
        let score = |own: &Vec<f64>| {
            let sum: f64 = own.iter().sum();
            if self.normalise { sum / own.len().max(1) as f64 } else { sum }
        };
        let scores: Vec<f64> = log_probabilities.iter().map(score).collect();
        let side = |side: usize| scores.iter().copied().skip(side).step_by(2).collect::<Vec<f64>>();
        let (good, bad) = (side(0), side(1));
        let right: Vec<f64> = good.iter().zip(&bad).map(|(good, bad)| f64::from(u8::from(good > bad))).collect();
        let each = |values: &[f64]| Tensor::new(values, &[values.len()]);
        let loss = Loss::new().item("good", &each(&good)).item("bad", &each(&bad)).item("right", &each(&right));
        Ok(if self.phenomena.is_empty() { loss } else { loss.item("phenomenon", &batch.tensor("text.label")?) })
    }

    fn figures(&self, _: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let right = held_out.numbers("right")?;
        let mut figures = vec![("accuracy".to_owned(), metrics::mean(right))];
        if self.phenomena.is_empty() {
            return Ok(figures);
        }
        let mut of_each: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (phenomenon, right) in held_out.indices("phenomenon")?.into_iter().zip(right) {
            of_each.entry(phenomenon).or_default().push(*right);
        }
        let means: Vec<f64> = of_each.values().map(|right| metrics::mean(right)).collect();
        figures.push(("mean_of_phenomena".to_owned(), metrics::mean(&means)));
        let name =
            |phenomenon: &usize| self.phenomena.get(*phenomenon).map_or_else(|| phenomenon.to_string(), Clone::clone);
        figures.extend(
            of_each.keys().zip(means).map(|(phenomenon, mean)| (format!("accuracy/{}", name(phenomenon)), mean)),
        );
        Ok(figures)
    }
}

impl MinimalPairs {
    /// One sentence of a pair with begin and end tokens of its own; asked for are the tokens of its text.
    fn sentence(&self, tokens: &[u32], types: &[u32], starts: &[bool], side: u32) -> ScoredText {
        let own: Vec<usize> = (0..tokens.len())
            .filter(|place| types[*place] == side && !self.vocabulary.is_special(tokens[*place]))
            .collect();
        let text: Vec<u32> = own.iter().map(|place| tokens[*place]).collect();
        let whole = enclosed(&text, &self.vocabulary);
        let before = usize::from(self.vocabulary.begin_token().is_ok());
        let mut word_starts = vec![true; whole.len()];
        own.iter().enumerate().for_each(|(place, from)| word_starts[before + place] = starts[*from]);
        // Without a begin token the first has nothing before it.
        let first = before.max(usize::from(!self.how.scores_first()));
        ScoredText { asked: (first..before + text.len()).collect(), tokens: whole, word_starts }
    }
}

export_plugin! { name: "minimal-pairs", provides: [Evaluator<MinimalPairs>] }
