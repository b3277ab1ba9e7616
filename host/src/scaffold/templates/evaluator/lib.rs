//! {{name}}: how alike a model's sentence embeddings are.
//!
//! The anisotropy of Ethayarajh 2019, arXiv:1909.00512, section 3.2: the mean cosine between embeddings of different texts; 0
//! where they point everywhere, 1 where all point one way. Axes: n tokens of the batch, b texts, d width.
use plugin_api::prelude::*;
use plugin_api::probe::cosine;

/// The `[evaluator]` section of an experiment.
#[derive(Settings)]
pub struct {{Type}}Settings {
    /// Texts that are compared, from the first on.
    #[setting(default = 500, range = 2..=100000)]
    texts: usize,
}

/// What measures.
pub struct {{Type}} {
    settings: {{Type}}Settings,
    encoder: Model,
}

impl Evaluator for {{Type}} {
    type Settings = {{Type}}Settings;

    fn new(settings: {{Type}}Settings, scope: &Scope) -> Result<Self> {
        Ok(Self { settings, encoder: scope.model("encoder")? })
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let layout = batch.layout("text")?;
        let hidden_nd = self.encoder.encode(&batch.tensor("text.tokens")?, &layout)?;
        // Wide features are for the figures alone; `item` would also write them into the run's items.jsonl.
        Ok(Loss::new().item_for_figures("embedding", &layout.mean(&hidden_nd)))
    }

    fn figures(&self, _training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let texts = held_out.lists("embedding")?;
        let texts = &texts[..texts.len().min(self.settings.texts)];
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (place, text) in texts.iter().enumerate() {
            for other in &texts[..place] {
                sum += cosine(text, other);
                pairs += 1.0;
            }
        }
        let mean = if pairs > 0.0 { sum / pairs } else { 0.0 };
        Ok(vec![("mean_cosine".to_owned(), mean)])
    }
}

export_plugin! { name: "{{name}}", provides: [Evaluator<{{Type}}>] }
