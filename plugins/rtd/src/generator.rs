//! Where replacements come from.

use plugin_api::prelude::*;

/// A model under a token head, or noise.
pub(crate) enum Generator {
    /// Trained to predict the chosen tokens.
    Model {
        /// The model.
        model: Model,
        /// Its head.
        tokens: Head,
    },
    /// Every ordinary token alike, drawn in collation.
    Noise,
}

/// How replacements are drawn from logits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) temperature: f64,
    pub(crate) disallow_correct: bool,
}

impl Generator {
    /// Logits `[c, v]` of the rows `rows_c` of the tokens `shown_n`.
    ///
    /// # Errors
    /// When the model fails, or it is noise.
    pub(crate) fn logits(&self, shown_n: &Tensor, layout: &Layout, rows_c: &Tensor) -> Result<Tensor> {
        match self {
            // Only chosen rows reach the vocabulary head, the widest matrix of the model.
            Self::Model { model, tokens } => tokens.apply(&model.encode(shown_n, layout)?.index_select(0, rows_c)),
            Self::Noise => Err(Error::unsupported("uniform noise predicts nothing")
                .help("train with `generator = \"model\"` to fill gaps")),
        }
    }
}

impl Sampling {
    /// A token for each row of logits `[c, v]`, drawn from softmax(logits / temperature) as the argmax with Gumbel noise; no
    /// gradient goes back. `keys_c` are the draws' keys, `targets_c` the right tokens.
    pub(crate) fn draw(&self, logits_cv: &Tensor, keys_c: &Tensor, targets_c: &Tensor) -> Result<Tensor> {
        let [count, vocabulary] = logits_cv.dims()?[..] else {
            return Err(Error::data("the token head gives no rows of logits"));
        };
        let mut scores_cv = logits_cv.stop_gradient() / self.temperature;
        if self.disallow_correct {
            let never = Tensor::full(&[count, 1], f64::NEG_INFINITY, scores_cv.dtype()?);
            scores_cv = scores_cv.scatter(1, targets_c.unsqueeze(-1), &never);
        }
        // Each chosen token is a segment of its own, so that its noise does not depend on the others.
        let lengths_c = Tensor::full(&[count], 1.0, DType::U32);
        let noise_cv = random::gumbel(&(&Layout::with_keys(&lengths_c, keys_c), vocabulary), "replacement");
        Ok((scores_cv + noise_cv.cast(logits_cv.dtype()?)).argmax(-1))
    }
}
