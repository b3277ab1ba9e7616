//! {{name}}: hides some tokens and predicts them from both sides.
//!
//! The simplest masked language modelling; Devlin et al. 2018, arXiv:1810.04805, section 3.1, shows some of the chosen
//! tokens unchanged or as random ones. Axes: n tokens of the batch, d width, c chosen tokens, v vocabulary.
use plugin_api::prelude::*;

/// The `[objective]` section of an experiment.
#[derive(Settings)]
pub struct {{Type}}Settings {
    /// Share of the text's tokens to predict.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    mask_rate: f64,
}

/// What is learnt.
pub struct {{Type}} {
    settings: {{Type}}Settings,
    encoder: Model,
    tokens: Head,
    mask_token: u32,
}

impl Objective for {{Type}} {
    type Settings = {{Type}}Settings;

    fn new(settings: {{Type}}Settings, scope: &Scope) -> Result<Self> {
        let encoder = scope.model("encoder")?;
        let tokens = encoder.head(scope, HeadKind::Tokens)?;
        Ok(Self { settings, encoder, tokens, mask_token: scope.vocabulary("text")?.mask_token()? })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let hidden_nd = self.encoder.encode(&batch.tensor("shown")?, &batch.layout("text")?)?;
        let targets_c = batch.tensor("targets")?;
        // Only hidden tokens reach the vocabulary head, the widest matrix of the model.
        let logits_cv = self.tokens.apply(&hidden_nd.index_select(0, &batch.tensor("chosen")?))?;
        let correct_c = logits_cv.argmax(-1).eq(&targets_c);
        Ok(Loss::sum_over(&logits_cv.cross_entropy(&targets_c)).metric("accuracy", &correct_c).targets(&targets_c))
    }
}

impl Collate for {{Type}} {
    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let (mut shown, mut chosen, mut targets) = (Vec::<u32>::new(), Vec::<i64>::new(), Vec::<i64>::new());
        for sample in samples.iter() {
            let (tokens, special) = (sample.u32s("text.tokens")?, sample.bools("text.special")?);
            let (draws, first_row) = (sample.uniforms("mask", tokens.len())?, sample.first_row("text")?);
            for (place, &token) in tokens.iter().enumerate() {
                let hidden = !special[place] && draws[place] < self.settings.mask_rate;
                shown.push(if hidden { self.mask_token } else { token });
                if hidden {
                    chosen.push((first_row + place) as i64);
                    targets.push(i64::from(token));
                }
            }
        }
        samples.add("shown", &shown)?;
        samples.add("chosen", &chosen)?;
        samples.add("targets", &targets)
    }
}

export_plugin! { name: "{{name}}", provides: [Objective<{{Type}}>, Collate<{{Type}}>] }
