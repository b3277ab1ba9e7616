//! A measurement of made pictures: whether a classifier that learnt from real ones finds the label that each was made for.

use plugin_api::Json;
use plugin_api::metrics;
use plugin_api::prelude::*;

use crate::decoder::{DecoderSettings, Painter};
use crate::tokenizer::Tokenizer;

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct JudgeSettings {
    /// Steps of decoding.
    #[setting(default = 8, range = 1..=65536)]
    steps: usize,
    /// How much noise decides, beside certainty, which codes stay.
    #[setting(default = 4.5, range = 0.0..=1000.0)]
    choice_temperature: f64,
    /// Weight of the label.
    #[setting(default = 1.0, range = 0.0..=100.0)]
    guidance: f64,
}

/// The evaluator: roles `encoder`, `tokenizer` and `classifier`.
pub struct Judge {
    painter: Painter,
    tokenizer: Tokenizer,
    classifier: Model,
    classes: Head,
    /// Rows of a picture in the classifier, and whether their mean stands for it.
    rows: usize,
    takes_mean: bool,
}

impl Evaluator for Judge {
    type Settings = JudgeSettings;

    fn new(settings: JudgeSettings, scope: &Scope) -> Result<Self> {
        let JudgeSettings { steps, choice_temperature, guidance } = settings;
        let painter = Painter::new(DecoderSettings { steps, choice_temperature, guidance }, scope)?;
        let (classifier, labels) = (scope.model("classifier")?, scope.labels("image")?);
        let described = classifier.describe()?;
        let Some(rows) = described.get("rows").and_then(Json::as_u64) else {
            return Err(Error::new("plugin/family", "the model `classifier` does not say how many rows a picture has")
                .help("choose a family for pictures: `family = \"vit\"`"));
        };
        Ok(Self {
            classes: classifier.head(scope, HeadKind::Classes(labels.len()))?,
            rows: rows as usize,
            takes_mean: described.get("pooling").and_then(Json::as_str) == Some("mean"),
            tokenizer: Tokenizer::new(scope)?,
            classifier,
            painter,
        })
    }

    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let draw = |sample: Sample<'_>| Ok(sample.uniforms("number", 1)?[0]);
        let draws = samples.iter().map(draw).collect::<Result<Vec<f64>>>()?;
        let numbers: Vec<u32> = draws.iter().map(|draw| (draw * f64::from(u32::MAX)) as u32).collect();
        samples.add("maskgit.numbers", &numbers)?;
        samples.add("maskgit.keys", &numbers.iter().map(|number| i64::from(*number)).collect::<Vec<_>>())
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let (labels_b, keys_b) = (batch.tensor("image.label")?, batch.tensor("maskgit.keys")?);
        let labels: Vec<Option<u32>> = labels_b.to_vec::<u32>()?.into_iter().map(Some).collect();
        let made = self.painter.paint(&labels, &batch.tensor("maskgit.numbers")?.to_vec()?)?.concat();
        let made_bchw = self.tokenizer.pixels(&Tensor::new(&made, &[made.len()]), &keys_b)?;
        let real_bchw = batch.tensor("image.pixels")?;
        let coded_bchw = self.tokenizer.pixels(&self.tokenizer.codes(&real_bchw, &keys_b)?, &keys_b)?;
        Ok(Loss::new()
            .pictures("as it is, what its codes stand for, made for its label", &[&real_bchw, &coded_bchw, &made_bchw])
            .item("label", &labels_b)
            .item("prediction", &self.predicted(&made_bchw, &keys_b)?)
            .item_for_figures("real", &self.predicted(&real_bchw, &keys_b)?)
            .item_for_figures("coded", &self.predicted(&coded_bchw, &keys_b)?))
    }

    /// `accuracy` of the classifier on made pictures; `real_accuracy` and `coded_accuracy` on those of the data, and on what their
    /// codes stand for: as much as any made of codes could reach.
    fn figures(&self, _training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let labels = held_out.indices("label")?;
        let figure = |name: &str, item: &str| -> Result<(String, f64)> {
            Ok((name.to_owned(), metrics::accuracy(&held_out.indices(item)?, &labels)))
        };
        Ok(vec![
            figure("accuracy", "prediction")?,
            figure("real_accuracy", "real")?,
            figure("coded_accuracy", "coded")?,
        ])
    }
}

impl Judge {
    /// The label `[b]` that the classifier gives pictures `[b, c, h, w]`.
    fn predicted(&self, pixels_bchw: &Tensor, keys_b: &Tensor) -> Result<Tensor> {
        let lengths_b = Tensor::full(&[keys_b.count()?], self.rows as f64, DType::U32);
        let layout = Layout::with_keys(&lengths_b, keys_b);
        let read = self.classifier.pass(&layout).workflow("image").input("pixels", pixels_bchw).run()?;
        let pooled_bd = match self.takes_mean {
            true => layout.mean(read.hidden()),
            false => read.hidden().index_select(0, layout.first_rows()),
        };
        Ok(self.classes.apply(&pooled_bd)?.argmax(-1))
    }
}
