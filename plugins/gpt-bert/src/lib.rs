//! Masked next-token prediction and causal language modelling in one stack.
//!
//! Charpentier and Samuel 2024, arXiv:2410.24159, section 2. A masked token is predicted from the row before it, so that
//! both modes read the same rows for the same tokens; each sample is of one mode. Axes: n token rows, b samples, c rows that
//! predict, d width, v vocabulary.

pub mod masking;

use plugin_api::prelude::*;

use masking::{Corruption, Spans};

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct GptBertSettings {
    /// Share of the samples that are learnt causally; the rest is masked. The paper: 1/16.
    #[setting(default = 0.0625, range = 0.0..=1.0)]
    causal_share: f64,
    /// Share of the tokens of a masked sample to predict at the beginning of the run.
    #[setting(default = 0.3, range = 0.01..=0.9)]
    mask_rate: f64,
    /// The same at its end; between them it goes linearly.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    final_mask_rate: f64,
    /// Spans have 1 to so many tokens, each length equally likely.
    #[setting(default = 3, range = 1..=100)]
    longest_span: usize,
    /// Of the spans, the share shown as mask tokens.
    #[setting(default = 0.8, range = 0.0..=1.0)]
    masked_share: f64,
    /// Of the spans, the share shown as random tokens; the rest stays as it is.
    #[setting(default = 0.1, range = 0.0..=1.0)]
    random_share: f64,
    /// Weight of (ln Σ exp logits)², which keeps logits small.
    #[setting(default = 1e-4, range = 0.0..=1.0)]
    z_loss: f64,
}

/// The objective.
pub struct GptBert {
    settings: GptBertSettings,
    spans: Spans,
    corruption: Corruption,
    model: Model,
    tokens: Head,
}

/// How a sample is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Masked,
    Causal,
}

impl Objective for GptBert {
    type Settings = GptBertSettings;

    fn new(settings: GptBertSettings, scope: &Scope) -> Result<Self> {
        let GptBertSettings { masked_share, random_share, longest_span, .. } = settings;
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
        let model = scope.model("model")?;
        Ok(Self {
            spans: Spans { longest: longest_span },
            corruption: Corruption { mask, ordinary, masked_share, random_share },
            tokens: model.head(scope, HeadKind::Tokens)?,
            model,
            settings,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let SequenceBatch { tokens, layout, rows, targets } = batch.sequences("shifted")?;
        // Of a masked sample everybody sees all rows, of a causal one none beyond their own.
        let visible = Mask::prefix(&batch.tensor("seen_by_all")?);
        let hidden_nd = self.model.pass(&layout).tokens(&tokens).mask(&visible).run()?.hidden().clone();
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &rows))?;
        let losses_c = logits_cv.cross_entropy(&targets);
        let z_c = logits_cv.logsumexp(-1, false).square();
        let (causal, masked) = (batch.tensor("causal")?, batch.tensor("masked")?);
        let mut loss = Loss::new();
        for (name, of_mode, weight) in
            [("masked", masked, 1.0 - self.settings.causal_share), ("causal", causal, self.settings.causal_share)]
        {
            let mode_losses = losses_c.index_select(0, &of_mode);
            loss = loss.and(name, weight, &mode_losses);
            if !training() {
                loss = loss.metric(&format!("{name}_loss"), &mode_losses);
            }
            if self.settings.z_loss > 0.0 {
                let name = format!("{name}_z");
                loss = loss.and(&name, weight * self.settings.z_loss, &z_c.index_select(0, &of_mode));
            }
        }
        Ok(loss.metric("accuracy", &logits_cv.argmax(-1).eq(&targets)).targets(&targets))
    }
}

impl Collate for GptBert {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let mut sequences = Sequences::default();
        let (mut seen_by_all, mut of_modes) = (Vec::<u32>::new(), [Vec::<i64>::new(), Vec::<i64>::new()]);
        let both = !samples.training()?;
        for sample in samples.iter() {
            let tokens = sample.u32s("text.tokens")?;
            if tokens.len() < 2 {
                continue;
            }
            let modes = if both {
                // What is measured is both, on all samples, whatever the share they are trained with.
                vec![Mode::Masked, Mode::Causal]
            } else if sample.uniforms("mode", 1)?[0] < self.settings.causal_share {
                vec![Mode::Causal]
            } else {
                vec![Mode::Masked]
            };
            for mode in modes {
                let predicted_before = sequences.predicted().count() as i64;
                let rows = self.push(&mut sequences, samples, &sample, tokens, mode)?;
                seen_by_all.push(if mode == Mode::Masked { rows as u32 } else { 0 });
                of_modes[mode as usize].extend(predicted_before..sequences.predicted().count() as i64);
            }
        }
        sequences.add_to(samples, "shifted")?;
        samples.add("seen_by_all", &seen_by_all)?;
        samples.add("masked", &of_modes[Mode::Masked as usize])?;
        samples.add("causal", &of_modes[Mode::Causal as usize])
    }
}

impl GptBert {
    /// The sample without its last token, each row predicting the token after it where the mode says so; its length.
    fn push(
        &self,
        sequences: &mut Sequences,
        samples: &Samples,
        sample: &Sample,
        tokens: &[u32],
        mode: Mode,
    ) -> Result<usize> {
        let (shown, chosen): (Vec<u32>, Vec<usize>) = match mode {
            Mode::Causal => (tokens.to_vec(), (1..tokens.len()).collect()),
            Mode::Masked => {
                let special = sample.bools("text.special")?;
                let chosen = self.chosen(samples, sample, special)?;
                let draws = sample.uniforms("corruption", 2 * tokens.len())?;
                (self.corruption.shown(tokens, &chosen, &draws), chosen.iter().map(|token| token.position).collect())
            }
        };
        let shifted = masking::shifted(tokens, &shown, &chosen);
        let first_row = sequences.push(sample, shifted.inputs.iter().copied())?;
        shifted.labels.iter().for_each(|&(row, token)| sequences.predict(first_row + row, token));
        Ok(shifted.inputs.len())
    }

    /// The tokens of a masked sample to predict: spans with the lowest scores, those first that earlier epochs masked less.
    fn chosen(&self, samples: &Samples, sample: &Sample, special: &[bool]) -> Result<Vec<masking::Chosen>> {
        let GptBertSettings { mask_rate, final_mask_rate, .. } = self.settings;
        let (epoch, progress) = (samples.epoch()?, if samples.training()? { samples.progress()? } else { 1.0 });
        let rate = |progress: f64| mask_rate + (final_mask_rate - mask_rate) * progress;
        let mut times = vec![0_u32; special.len()];
        let draws = |epoch| sample.uniforms_of_epoch(epoch, "spans", self.spans.draws(special.len()));
        for earlier in 0..epoch {
            // When this sample came in an earlier epoch is not kept: its share of the run is taken as even.
            let then = progress * (earlier as f64 + 0.5) / (epoch as f64 + 0.5);
            let chosen = self.spans.choose(special, rate(then), &times, &draws(earlier)?);
            chosen.iter().for_each(|token| times[token.position] += 1);
        }
        Ok(self.spans.choose(special, rate(progress), &times, &draws(epoch)?))
    }
}

impl Evaluate for GptBert {
    /// Logits of the token at each row, read from the row before it.
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        let layout = batch.layout("text")?;
        let pass = self.model.pass(&layout);
        let hidden_nd = pass.tokens(&batch.tensor("text.tokens")?).mask(&Mask::full()).run()?.hidden().clone();
        let before_c = (rows_c - 1.0).maximum(Tensor::scalar(0_i64));
        self.tokens.apply(&hidden_nd.index_select(0, &before_c))
    }
}

export_plugin! { name: "gpt-bert", provides: [Objective<GptBert>, Collate<GptBert>, Evaluate<GptBert>] }
