//! Mask-enhanced autoregressive prediction: predict every next token from an input some of whose tokens are hidden.
//!
//! Zhuang et al. 2025, arXiv:2502.07490, section 3. A causal decoder, the ordinary next-token loss on all positions and
//! the original tokens as labels; only the input has gaps, so that attention learns to tell what matters. Nothing changes
//! at inference. Axes: n token rows, c rows that predict, d width, v vocabulary.

pub mod gaps;

use plugin_api::prelude::*;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct MeapSettings {
    /// Share of the input tokens to hide; the paper: 0.15 in pre-training, 0.1 in fine-tuning. 0 is plain next-token prediction.
    #[setting(default = 0.15, range = 0.0..=0.9)]
    mask_rate: f64,
    /// Learn answers instead of texts: samples are pairs, and the loss counts on the second part only. An answer longer than `copy_above` tokens comes a second time with gaps, and only those count there.
    #[setting(default = false)]
    answers: bool,
    /// Answers with more tokens than this get the second copy.
    #[setting(default = 50, range = 1..=1000000)]
    copy_above: usize,
}

/// The objective.
pub struct Meap {
    settings: MeapSettings,
    mask: u32,
    decoder: Model,
    tokens: Head,
}

impl Objective for Meap {
    type Settings = MeapSettings;

    fn new(settings: MeapSettings, scope: &Scope) -> Result<Self> {
        let decoder = scope.model("decoder")?;
        if !decoder.describe()?.causal {
            return Err(Error::new("plugin/model", "the model of the role `decoder` sees the tokens it is to predict")
                .help("set `causal = true` in [model.decoder]"));
        }
        let mask = scope.vocabulary("text")?.mask_token()?;
        Ok(Self { tokens: decoder.head(scope, HeadKind::Tokens)?, mask, decoder, settings })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let SequenceBatch { tokens, layout, rows, targets } = batch.sequences("gapped")?;
        let hidden_nd = self.decoder.encode(&tokens, &layout)?;
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &rows))?;
        let loss = Loss::sum_over(&logits_cv.cross_entropy(&targets));
        Ok(loss.metric("accuracy", &logits_cv.argmax(-1).eq(&targets)).targets(&targets))
    }
}

impl Collate for Meap {
    fn collate(&self, samples: &Samples) -> Result<()> {
        // When measuring nothing is hidden: what counts is how the model continues clean text.
        let rate = if samples.training()? { self.settings.mask_rate } else { 0.0 };
        let mut sequences = Sequences::default();
        for sample in samples.iter() {
            let tokens = sample.u32s("text.tokens")?;
            let draws = sample.uniforms("positions", tokens.len())?;
            if self.settings.answers {
                let types = sample.u32s("text.types")?;
                let answer = types.iter().position(|&part| part > 0).unwrap_or(tokens.len());
                self.push(&mut sequences, &sample, tokens, &[], answer..tokens.len())?;
                if rate > 0.0 && tokens.len() - answer > self.settings.copy_above {
                    // The last token, which ends the sequence, is neither hidden nor scored here.
                    let gaps = gaps::hidden(answer..tokens.len() - 1, rate, &draws);
                    self.push(&mut sequences, &sample, tokens, &gaps, gaps.iter().copied())?;
                }
            } else {
                let gaps = gaps::hidden(0..tokens.len().saturating_sub(1), rate, &draws);
                self.push(&mut sequences, &sample, tokens, &gaps, 1..tokens.len())?;
            }
        }
        sequences.add_to(samples, "gapped")
    }
}

impl Meap {
    /// A sequence with gaps, of whose original tokens those at `predicted` are predicted, each from the row before it.
    fn push(
        &self,
        sequences: &mut Sequences,
        sample: &Sample,
        tokens: &[u32],
        gaps: &[usize],
        predicted: impl Iterator<Item = usize>,
    ) -> Result<()> {
        let mut shown = tokens.to_vec();
        gaps.iter().for_each(|&position| shown[position] = self.mask);
        let first_row = sequences.push(sample, shown)?;
        predicted.filter(|&position| position > 0).for_each(|position| {
            sequences.predict(first_row + position - 1, tokens[position]);
        });
        Ok(())
    }
}

impl Evaluate for Meap {
    /// Logits of the token that follows each row.
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        let hidden_nd = self.decoder.encode(&batch.tensor("text.tokens")?, &batch.layout("text")?)?;
        self.tokens.apply(&hidden_nd.index_select(0, rows_c))
    }
}

export_plugin! { name: "meap", provides: [Objective<Meap>, Collate<Meap>, Evaluate<Meap>] }
