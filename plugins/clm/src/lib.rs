//! Causal language modelling: predict each token from those before it.
//!
//! Bengio et al. 2003, section 2, with a transformer since Radford et al. 2018. Axes: n token rows, c rows that have a
//! next one in their text, d width, v vocabulary.

use plugin_api::prelude::*;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct ClmSettings {
    /// Weight of (ln Σ exp logits)², which keeps logits small (Chowdhery et al. 2022, arXiv:2204.02311, section 5: 1e-4); 0 leaves it out.
    #[setting(default = 0.0, range = 0.0..=1.0)]
    z_loss: f64,
    /// Share of each target that is spread evenly over the vocabulary (Szegedy et al. 2016, arXiv:1512.00567, section 7).
    #[setting(default = 0.0, range = 0.0..=0.9)]
    label_smoothing: f64,
}

/// The objective.
pub struct Clm {
    settings: ClmSettings,
    decoder: Model,
    tokens: Head,
}

impl Objective for Clm {
    type Settings = ClmSettings;

    fn new(settings: ClmSettings, scope: &Scope) -> Result<Self> {
        let decoder = scope.model("decoder")?;
        if !decoder.describe()?.causal {
            return Err(Error::new("plugin/model", "the model of the role `decoder` sees the tokens it is to predict")
                .help("set `causal = true` in [model.decoder]"));
        }
        Ok(Self { tokens: decoder.head(scope, HeadKind::Tokens)?, decoder, settings })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let targets_c = batch.tensor("targets")?;
        let hidden_nd = self.decoder.encode(&batch.tensor("text.tokens")?, &batch.layout("text")?)?;
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &batch.tensor("predicting")?))?;
        let plain_c = logits_cv.cross_entropy(&targets_c);
        let smoothing = self.settings.label_smoothing;
        let mut loss = if smoothing > 0.0 {
            // What is reported stays comparable with runs without smoothing.
            let smoothed_c =
                logits_cv.cross_entropy_with(&targets_c, CrossEntropy { smoothing, ..CrossEntropy::default() });
            Loss::sum_over(&smoothed_c).metric("cross_entropy", &plain_c)
        } else {
            Loss::sum_over(&plain_c)
        };
        if self.settings.z_loss > 0.0 {
            loss = loss.and("z_loss", self.settings.z_loss, &logits_cv.logsumexp(-1, false).square());
        }
        Ok(loss.metric("accuracy", &logits_cv.argmax(-1).eq(&targets_c)).targets(&targets_c))
    }
}

impl Collate for Clm {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (mut predicting, mut targets) = (Vec::<i64>::new(), Vec::<i64>::new());
        for sample in samples.iter() {
            let (tokens, first_row) = (sample.u32s("text.tokens")?, sample.first_row("text")?);
            let (rows, following) = next_tokens(tokens, first_row);
            predicting.extend(rows);
            targets.extend(following);
        }
        samples.add("predicting", &predicting)?;
        samples.add("targets", &targets)
    }
}

/// The rows of a text that have a next one, and the tokens in those. A text is a segment of its own, so that nothing is
/// predicted across texts in a packed row.
fn next_tokens(tokens: &[u32], first_row: usize) -> (impl Iterator<Item = i64>, impl Iterator<Item = i64>) {
    let rows = (first_row..).take(tokens.len().saturating_sub(1)).map(|row| row as i64);
    (rows, tokens.iter().skip(1).map(|&token| i64::from(token)))
}

impl Evaluate for Clm {
    /// Logits of the token that follows each row.
    fn predict(&self, batch: &Batch, rows_c: &Tensor) -> Result<Tensor> {
        let hidden_nd = self.decoder.encode(&batch.tensor("text.tokens")?, &batch.layout("text")?)?;
        self.tokens.apply(&hidden_nd.index_select(0, rows_c))
    }
}

export_plugin! { name: "clm", provides: [Objective<Clm>, Collate<Clm>, Evaluate<Clm>] }

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(tokens: &[u32], first_row: usize) -> (Vec<i64>, Vec<i64>) {
        let (rows, targets) = next_tokens(tokens, first_row);
        (rows.collect(), targets.collect())
    }

    #[test]
    fn each_row_but_the_last_predicts_the_next_token() {
        assert_eq!(collected(&[7, 8, 9], 5), (vec![5, 6], vec![8, 9]));
    }

    #[test]
    fn a_text_of_one_token_or_none_predicts_nothing() {
        assert_eq!(collected(&[7], 5), (vec![], vec![]));
        assert_eq!(collected(&[], 0), (vec![], vec![]));
    }
}
