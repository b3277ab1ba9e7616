//! MaskGIT: hide any share of a picture's codes and predict them; make pictures by filling in all of them in a few steps.
//!
//! Chang et al. 2022, arXiv:2202.04200. The codes are those of a frozen tokenizer (`fsq`, `vq`). Axes: b pictures, m codes of all,
//! c hidden ones of all, n rows, v codes.

mod decoder;
mod encoder;
mod evaluator;
pub mod sampler;
pub mod schedule;
mod tokenizer;

use plugin_api::prelude::*;

pub use decoder::{DecoderSettings, Painter};
use encoder::Encoder;
pub use evaluator::{Judge, JudgeSettings};
use tokenizer::Tokenizer;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct MaskgitSettings {
    /// Share of a picture's codes that is hidden at least.
    #[setting(default = 0.0, range = 0.0..=1.0)]
    least_share: f64,
    /// Share of each code that is spread evenly over all codes.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    label_smoothing: f64,
    /// Share of the pictures whose label is not told while learning, so that decoding may do without (Ho and Salimans 2022,
    /// arXiv:2207.12598).
    #[setting(default = 0.1, range = 0.0..=1.0)]
    drop_labels: f64,
}

/// The objective.
pub struct Maskgit {
    settings: MaskgitSettings,
    encoder: Encoder,
    tokenizer: Tokenizer,
}

impl Objective for Maskgit {
    type Settings = MaskgitSettings;

    fn new(settings: MaskgitSettings, scope: &Scope) -> Result<Self> {
        let tokenizer = Tokenizer::new(scope)?;
        let encoder = Encoder::new(scope, Some(tokenizer.codes))?;
        if encoder.patches != tokenizer.patches {
            let fact = format!("the tokenizer gives {} codes, the encoder has {}", tokenizer.patches, encoder.patches);
            return Err(Error::new("plugin/family", fact).help("choose the same `patch_size` for both"));
        }
        if encoder.labels > 0 && scope.labels("image")?.len() != encoder.labels {
            let fact = format!("the data has {} labels, the encoder {}", scope.labels("image")?.len(), encoder.labels);
            return Err(Error::new("plugin/family", fact).help("set `labels` in [model.encoder] to their number"));
        }
        Ok(Self { settings, encoder, tokenizer })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let column = |name: &str| batch.tensor(&format!("maskgit.{name}"));
        let keys_b = column("keys")?;
        let codes_m = self.tokenizer.codes(&batch.tensor("image.pixels")?, &keys_b)?;
        let layout = Layout::with_keys(&column("rows")?, &keys_b);
        let labels_b = (self.encoder.labels > 0).then(|| column("labels")).transpose()?;
        let read = [&codes_m, &column("masked")?, &column("predicted")?];
        let logits_cv = self.encoder.logits(&layout, read, labels_b.as_ref())?;
        let codes_c = codes_m.index_select(0, column("hidden")?);
        let options = CrossEntropy { smoothing: self.settings.label_smoothing, ..CrossEntropy::default() };
        let accuracy_c = logits_cv.argmax(-1).eq(&codes_c);
        Ok(Loss::sum_over(&logits_cv.cross_entropy_with(&codes_c, options)).metric("accuracy", &accuracy_c))
    }
}

impl Collate for Maskgit {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let Encoder { patches, class_rows, labels: known, .. } = self.encoder;
        let (mut masked, mut hidden, mut predicted) = (Vec::new(), Vec::<i64>::new(), Vec::<i64>::new());
        let (mut keys, mut labels) = (Vec::new(), Vec::<u32>::new());
        for sample in samples.iter() {
            let draw = sample.uniforms("rate", 1)?[0];
            let count = schedule::hidden_while_learning(patches, draw, self.settings.least_share);
            let (order, mut own) = (sample.uniforms("mask", patches)?, vec![false; patches]);
            let mut places: Vec<usize> = (0..patches).collect();
            places.sort_by(|a, b| order[*a].total_cmp(&order[*b]));
            places[..count].iter().for_each(|place| own[*place] = true);
            for (place, _) in own.iter().enumerate().filter(|(_, masked)| **masked) {
                hidden.push((sample.index() * patches + place) as i64);
                predicted.push((sample.index() * self.encoder.rows() + class_rows + place) as i64);
            }
            masked.extend(own);
            if known > 0 {
                let dropped = samples.training()? && sample.uniforms("label", 1)?[0] < self.settings.drop_labels;
                labels.push(if dropped { known as u32 } else { sample.u32s("image.label")?[0] });
            }
            // Dropout goes by a key that belongs to the picture, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add("maskgit.masked", &masked)?;
        samples.add("maskgit.hidden", &hidden)?;
        samples.add("maskgit.predicted", &predicted)?;
        samples.add("maskgit.keys", &keys)?;
        samples.add("maskgit.rows", &vec![self.encoder.rows() as u32; samples.len()])?;
        if known > 0 {
            samples.add("maskgit.labels", &labels)?;
        }
        Ok(())
    }
}

export_plugin! {
    name: "maskgit",
    provides: [Objective<Maskgit>, Collate<Maskgit>, Decoder<Painter>, Evaluator<Judge>],
}
