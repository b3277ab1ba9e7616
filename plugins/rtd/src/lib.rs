//! Replaced-token detection: a small generator fills gaps, a discriminator says of every token whether it was replaced.
//!
//! Clark et al. 2020, arXiv:2003.10555 (ELECTRA); He et al. 2021, arXiv:2111.09543 (DeBERTaV3), whose embeddings are
//! disentangled from the generator's and whose models are trained in turn. Axes: n token rows, c chosen rows, d width,
//! v vocabulary.

pub mod choice;
mod figures;
mod generator;
mod head;
mod settings;
mod sharing;

use plugin_api::prelude::*;

use choice::Choice;
use generator::{Generator, Sampling};
use head::Judge;
pub use settings::{RtdSettings, Sharing};

/// The carried column with the tokens that the discriminator sees.
const SEEN: &str = "seen";

/// The objective.
pub struct Rtd {
    choice: Choice,
    mask: u32,
    /// What noise draws from; empty where a model fills the gaps.
    ordinary: Vec<u32>,
    generator: Generator,
    sampling: Sampling,
    discriminator: Model,
    judge: Judge,
    settings: RtdSettings,
}

impl Objective for Rtd {
    type Settings = RtdSettings;

    fn new(settings: RtdSettings, scope: &Scope) -> Result<Self> {
        settings.check()?;
        let vocabulary = scope.vocabulary("text")?;
        let mut ordinary = Vec::new();
        let (generator, discriminator) = match settings.generator.as_str() {
            "model" => {
                let (model, discriminator) = (scope.model("generator")?, scope.model("discriminator")?);
                sharing::share(settings.sharing(), &model, &discriminator)?;
                (Generator::Model { tokens: model.head(scope, HeadKind::Tokens)?, model }, discriminator)
            }
            "tied" => {
                let model = scope.model("discriminator")?;
                (Generator::Model { tokens: model.head(scope, HeadKind::Tokens)?, model: model.clone() }, model)
            }
            _ => {
                let size = u32::try_from(vocabulary.size()).unwrap_or(u32::MAX);
                ordinary = (0..size).filter(|&id| !vocabulary.is_special(id)).collect();
                if ordinary.is_empty() {
                    return Err(Error::new("plugin/vocabulary", "the vocabulary `text` has special tokens only")
                        .help("replacements are drawn from the others: choose another tokenizer"));
                }
                (Generator::Noise, scope.model("discriminator")?)
            }
        };
        let RtdSettings { mask_rate: rate, exact, masked_share, temperature, disallow_correct, .. } = settings;
        Ok(Self {
            choice: Choice { rate, exact, masked_share },
            mask: vocabulary.mask_token()?,
            ordinary,
            generator,
            sampling: Sampling { temperature, disallow_correct },
            judge: Judge::new(&settings.head, &discriminator, scope)?,
            discriminator,
            settings,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let (loss, seen_n) = self.replaced(Loss::new(), batch)?;
        self.judged(loss, batch, &seen_n)
    }
}

impl Rtd {
    /// Adds the generator's loss, the mean cross-entropy at the chosen rows, and gives the tokens with those replaced, `[n]`.
    fn replaced(&self, loss: Loss, batch: &Batch) -> Result<(Loss, Tensor)> {
        let (tokens_n, chosen_c) = (batch.tensor("text.tokens")?, batch.tensor("chosen")?);
        let (loss, drawn_c) = match &self.generator {
            Generator::Noise => (loss, batch.tensor("replacements")?),
            generator => {
                let targets_c = batch.tensor("targets")?;
                let logits_cv = generator.logits(&batch.tensor("text.shown")?, &batch.layout("text")?, &chosen_c)?;
                let loss = loss
                    .and("generator", 1.0, &logits_cv.cross_entropy(&targets_c))
                    .metric("generator_accuracy", &logits_cv.argmax(-1).eq(&targets_c))
                    .targets(&targets_c);
                if chosen_c.count()? == 0 {
                    return Ok((loss, tokens_n));
                }
                (loss, self.sampling.draw(&logits_cv, &batch.tensor("draws")?, &targets_c)?)
            }
        };
        let seen_n = tokens_n.scatter(0, &chosen_c, drawn_c.cast(tokens_n.dtype()?));
        Ok((loss, seen_n))
    }

    /// Adds the discriminator's loss on the tokens `seen_n`: the mean binary cross-entropy at all rows, or the chosen ones.
    fn judged(&self, loss: Loss, batch: &Batch, seen_n: &Tensor) -> Result<Loss> {
        let layout = batch.layout("text")?;
        let logits_n = self.judge.apply(&self.discriminator.encode(seen_n, &layout)?, &layout)?;
        let replaced_n = seen_n.ne(&batch.tensor("text.tokens")?);
        let chosen_c = batch.tensor("chosen")?;
        let nowhere_n = replaced_n.cast(DType::F32) * 0.0;
        let chosen_n = nowhere_n.scatter(0, &chosen_c, Tensor::ones(&[chosen_c.count()?]));
        let loss = loss
            .item_rows_for_figures(figures::LOGIT, &logits_n, &layout)
            .item_rows_for_figures(figures::REPLACED, &replaced_n, &layout)
            .item_rows_for_figures(figures::CHOSEN, &chosen_n, &layout);
        let (logits, replaced) = if self.settings.everywhere {
            (logits_n, replaced_n)
        } else {
            (logits_n.index_select(0, &chosen_c), replaced_n.index_select(0, &chosen_c))
        };
        let losses = logits.bce_with_logits(replaced.cast(logits.dtype()?), None);
        Ok(loss
            .and("discriminator", self.settings.discriminator_weight, &losses)
            .metric("discriminator_accuracy", &logits.gt(0.0).eq(&replaced))
            .metric("replaced", &replaced))
    }
}

impl Figures for Rtd {
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        figures::figures(items)
    }
}

impl Phases for Rtd {
    fn phases(&self) -> Vec<Phase> {
        if !self.settings.alternating {
            return Vec::new();
        }
        let discriminator = Phase::new("discriminator", &["discriminator"]);
        let discriminator = match self.judge {
            Judge::FirstToken(_) => discriminator.own(&[head::OWN]),
            Judge::Scalar(_) => discriminator,
        };
        vec![Phase::new("generator", &["generator"]), discriminator]
    }

    fn phase_loss(&self, phase: usize, carry: &Batch, batch: &Batch) -> Result<Loss> {
        if phase == 0 {
            let (loss, seen_n) = self.replaced(Loss::new(), batch)?;
            carry.put(SEEN, &seen_n)?;
            return Ok(loss);
        }
        self.judged(Loss::new(), batch, &carry.tensor(SEEN)?)
    }
}

impl Collate for Rtd {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut shown, mut chosen, mut targets) = (Vec::<u32>::new(), Vec::<i64>::new(), Vec::<i64>::new());
        let (mut draws, mut replacements) = (Vec::<i64>::new(), Vec::<u32>::new());
        for sample in samples.iter() {
            let (tokens, special) = (sample.u32s("text.tokens")?, sample.bools("text.special")?);
            let positions = self.choice.positions(special, &sample.uniforms("choice", tokens.len())?);
            let hidden = sample.uniforms("hidden", tokens.len())?;
            let drawn = sample.uniforms("replacement", tokens.len())?;
            shown.extend(self.choice.shown(tokens, &positions, self.mask, &hidden));
            let first_row = sample.first_row("text")?;
            for position in positions {
                chosen.push((first_row + position) as i64);
                targets.push(i64::from(tokens[position]));
                // 52 bits of the draw: the key of the noise that a model's choice is made with.
                draws.push((drawn[position] * (1_u64 << 52) as f64) as i64);
                if let Some(last) = self.ordinary.len().checked_sub(1) {
                    let place = (drawn[position] * self.ordinary.len() as f64) as usize;
                    replacements.push(self.ordinary[place.min(last)]);
                }
            }
        }
        samples.add("chosen", &chosen)?;
        if matches!(self.generator, Generator::Noise) {
            return samples.add("replacements", &replacements);
        }
        samples.add("text.shown", &shown)?;
        samples.add("targets", &targets)?;
        samples.add("draws", &draws)
    }
}

impl Evaluate for Rtd {
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        self.generator.logits(&batch.tensor("text.tokens")?, &batch.layout("text")?, rows_c)
    }
}

export_plugin! { name: "rtd", provides: [Objective<Rtd>, Collate<Rtd>, Phases<Rtd>, Evaluate<Rtd>, Figures<Rtd>] }
