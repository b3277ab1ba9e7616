//! Masked language modelling: hide some tokens, predict them from both sides.
//!
//! Devlin et al. 2018, arXiv:1810.04805, section 3.1; whole words as in its later code, spans from Joshi et al. 2020,
//! arXiv:1907.10529, section 3.1. Masks are drawn anew in each epoch, from the sample's own key. Axes: n token rows, c
//! chosen rows, d width, v vocabulary.

pub mod masking;
pub mod spans;

use plugin_api::prelude::*;

use masking::{Corruption, Policy, Unit};

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct MlmSettings {
    /// Share of the eligible tokens to predict; special tokens are never eligible.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    mask_rate: f64,
    /// The same when measuring; left out: `mask_rate`. With one of its own, runs that train with other rates compare.
    #[setting(range = 0.01..=0.9)]
    evaluation_mask_rate: Option<f64>,
    /// Exactly the rounded share of each sample, and at least one token, instead of a draw for each.
    #[setting(default = false)]
    exact: bool,
    /// What is chosen together; spans are made of whole words.
    #[setting(default = "token", choices = ["token", "word", "span"])]
    unit: String,
    /// Of the chosen tokens, the share shown as the mask token.
    #[setting(default = 0.8, range = 0.0..=1.0)]
    masked_share: f64,
    /// Of the chosen tokens, the share shown as a random token; the rest stays as it is.
    #[setting(default = 0.1, range = 0.0..=1.0)]
    random_share: f64,
    /// Probability that a span ends after a word: the parameter of the geometric distribution of its length.
    #[setting(default = 0.2, range = 0.01..=0.99)]
    span_stop: f64,
    /// Longest span, in words.
    #[setting(default = 10, range = 1..=1000)]
    span_longest: usize,
}

/// The objective.
pub struct Mlm {
    policy: Policy,
    measuring: Policy,
    corruption: Corruption,
    encoder: Model,
    tokens: Head,
}

impl Objective for Mlm {
    type Settings = MlmSettings;

    fn new(settings: MlmSettings, scope: &Scope) -> Result<Self> {
        let MlmSettings { masked_share, random_share, span_stop: stop, span_longest: longest, .. } = settings;
        // The tolerance is for shares such as 0.7 and 0.3, whose sum is not exactly 1 in binary.
        if masked_share + random_share > 1.0 + 1e-9 {
            return Err(Error::setting("random_share", "is more than `masked_share` leaves over")
                .help("the two shares may add up to at most 1"));
        }
        let vocabulary = scope.vocabulary("text")?;
        let mask = vocabulary.mask_token()?;
        let size = u32::try_from(vocabulary.size()).unwrap_or(u32::MAX);
        let ordinary: Vec<u32> = (0..size).filter(|&id| !vocabulary.is_special(id)).collect();
        if ordinary.is_empty() && random_share > 0.0 {
            return Err(Error::new("plugin/vocabulary", "the vocabulary `text` has special tokens only")
                .help("random tokens are drawn from the others: choose another tokenizer"));
        }
        let unit = match settings.unit.as_str() {
            "word" => Unit::Word,
            "span" => Unit::Span { stop, longest },
            _ => Unit::Token,
        };
        let encoder = scope.model("encoder")?;
        let policy = Policy { rate: settings.mask_rate, exact: settings.exact, unit };
        Ok(Self {
            policy,
            measuring: Policy { rate: settings.evaluation_mask_rate.unwrap_or(policy.rate), ..policy },
            corruption: Corruption { mask, ordinary, masked_share, random_share },
            tokens: encoder.head(scope, HeadKind::Tokens)?,
            encoder,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let targets_c = batch.tensor("targets")?;
        let hidden_nd = self.encoder.encode(&batch.tensor("text.shown")?, &batch.layout("text")?)?;
        // Only chosen rows reach the vocabulary head, the widest matrix of the model.
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &batch.tensor("chosen")?))?;
        let accuracy_c = logits_cv.argmax(-1).eq(&targets_c);
        let loss = Loss::sum_over(&logits_cv.cross_entropy(&targets_c));
        Ok(loss.metric("accuracy", &accuracy_c).targets(&targets_c))
    }
}

impl Collate for Mlm {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut shown, mut chosen, mut targets) = (Vec::<u32>::new(), Vec::<i64>::new(), Vec::<i64>::new());
        let policy = if samples.training()? { &self.policy } else { &self.measuring };
        for sample in samples.iter() {
            let tokens = sample.u32s("text.tokens")?;
            let read = masking::Sample {
                tokens,
                special: sample.bools("text.special")?,
                word_starts: sample.bools("text.word_starts")?,
            };
            let choice = sample.uniforms("choice", policy.draws(tokens.len()))?;
            let picked = masking::choose(&read, policy, &choice);
            let corruption = sample.uniforms("corruption", 2 * tokens.len())?;
            shown.extend(self.corruption.shown(tokens, &picked, &corruption));
            let first_row = sample.first_row("text")?;
            chosen.extend(picked.iter().map(|token| (first_row + token.position) as i64));
            targets.extend(picked.iter().map(|token| i64::from(tokens[token.position])));
        }
        samples.add("text.shown", &shown)?;
        samples.add("chosen", &chosen)?;
        samples.add("targets", &targets)
    }
}

impl Evaluate for Mlm {
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        let hidden_nd = self.encoder.encode(&batch.tensor("text.tokens")?, &batch.layout("text")?)?;
        self.tokens.apply(&hidden_nd.index_select(0, rows_c))
    }
}

export_plugin! { name: "mlm", provides: [Objective<Mlm>, Collate<Mlm>, Evaluate<Mlm>] }
