//! Classification and regression of whole texts or pictures: one vector for each, and a head on it.
//!
//! Devlin et al. 2018, arXiv:1810.04805, section 4.1: the vector of the first token; Radford et al. 2018, section 3.2: of the
//! last, for models that see only what came before. Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.1: of a picture's class
//! token. Axes: n token or patch rows, b texts or pictures, d width, k classes.

use plugin_api::Json;
use plugin_api::metrics;
use plugin_api::prelude::*;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct ClassifySettings {
    /// What is predicted: one of the labels, or a number.
    #[setting(default = "class", choices = ["class", "score"])]
    kind: String,
    /// The rows that stand for a text; `auto` takes the first, of a causal model the last, of a picture those that the model says.
    #[setting(default = "auto", choices = ["auto", "first", "mean", "last"])]
    pooling: String,
    /// Share of the pooled features that is dropped while training.
    #[setting(default = 0.1, range = 0.0..=0.9)]
    dropout: f64,
    /// Weight of each class in the loss, in the order of the labels; empty weighs all alike.
    #[setting(default = [], range = 0.0..=1000000.0)]
    class_weights: Vec<f64>,
    /// Share of each label that is spread evenly over the classes.
    #[setting(default = 0.0, range = 0.0..=0.9)]
    label_smoothing: f64,
}

/// Which rows stand for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pooling {
    First,
    Mean,
    Last,
}

/// What the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Text,
    /// Pictures, each of so many rows.
    Pictures(usize),
}

impl Reads {
    fn of(described: &Description) -> Self {
        let rows = described.get("rows").and_then(Json::as_u64);
        match (described.get("modality").and_then(Json::as_str), rows) {
            (Some("image"), Some(rows)) => Self::Pictures(rows as usize),
            _ => Self::Text,
        }
    }

    /// The modality of its labels.
    fn modality(self) -> &'static str {
        if self == Self::Text { "text" } else { "image" }
    }
}

/// What is predicted.
enum Target {
    /// One of some classes, each with its weight in the loss; no weights where all are alike.
    Class {
        weights_k: Vec<f64>,
        smoothing: f64,
    },
    Score,
}

/// The objective.
pub struct Classify {
    encoder: Model,
    head: Head,
    reads: Reads,
    pooling: Pooling,
    dropout: f64,
    target: Target,
}

impl Objective for Classify {
    type Settings = ClassifySettings;

    fn new(settings: ClassifySettings, scope: &Scope) -> Result<Self> {
        let encoder = scope.model("encoder")?;
        let described = encoder.describe()?;
        let reads = Reads::of(&described);
        let modality = reads.modality();
        if let Some(found) = scope.label_kind(modality)?.filter(|found| *found != settings.kind) {
            let text = format!("is `{}`, but the data is labelled with `{found}`", settings.kind);
            return Err(Error::setting("kind", text).help(match found.as_str() {
                "tags" => "tags of words are for the objective `tag`".to_owned(),
                _ => format!("set `kind = \"{found}\"`, or another `label_kind` in [data.{modality}]"),
            }));
        }
        let causal = described.causal;
        let takes_mean = described.get("pooling").and_then(Json::as_str) == Some("mean");
        let pooling = match settings.pooling.as_str() {
            "first" if causal => {
                return Err(Error::setting(
                    "pooling",
                    "takes the first row, which sees nothing else in a causal model",
                )
                .help("set `pooling = \"last\"`, `mean` or `auto`"));
            }
            "first" => Pooling::First,
            "mean" => Pooling::Mean,
            "auto" if takes_mean => Pooling::Mean,
            "auto" if !causal => Pooling::First,
            _ => Pooling::Last,
        };
        let (target, kind) = if settings.kind == "score" {
            (Target::Score, HeadKind::Scalar)
        } else {
            let labels = scope.labels(modality)?;
            let weights_k = settings.class_weights;
            if !weights_k.is_empty() && (weights_k.len() != labels.len() || weights_k.iter().sum::<f64>() <= 0.0) {
                let text = format!("has {} weights for the labels {}", weights_k.len(), labels.join(", "));
                return Err(Error::setting("class_weights", text).help("give one for each label, not all of them 0"));
            }
            let smoothing = settings.label_smoothing;
            (Target::Class { weights_k, smoothing }, HeadKind::Classes(labels.len()))
        };
        let head = encoder.head(scope, kind)?;
        Ok(Self { encoder, head, reads, pooling, dropout: settings.dropout, target })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let outputs = self.head.apply(&self.pooled(batch)?)?;
        match &self.target {
            Target::Class { weights_k, smoothing } => {
                let labels_b = batch.tensor(&format!("{}.label", self.reads.modality()))?;
                let options = CrossEntropy { smoothing: *smoothing, ..CrossEntropy::default() };
                let losses_b = outputs.cross_entropy_with(&labels_b, options);
                let predicted_b = outputs.argmax(-1);
                let right_b = predicted_b.eq(&labels_b);
                let loss = if weights_k.is_empty() {
                    Loss::sum_over(&losses_b)
                } else {
                    let weights_k = Tensor::new(weights_k, &[weights_k.len()]).cast(losses_b.dtype()?);
                    let weights_b = weights_k.index_select(0, &labels_b);
                    Loss::new().part("loss", 1.0, &(losses_b * &weights_b).sum(), &weights_b.sum())
                };
                Ok(loss
                    .metric("accuracy", &right_b)
                    .item("prediction", &predicted_b)
                    .item("label", &labels_b)
                    .item("accuracy", &right_b))
            }
            Target::Score => {
                let predicted_b = outputs.reshape(&[-1]);
                let scores_b = batch.tensor(&format!("{}.score", self.reads.modality()))?;
                let losses_b = (&predicted_b - scores_b.cast(predicted_b.dtype()?)).square();
                Ok(Loss::sum_over(&losses_b).item("prediction", &predicted_b).item("label", &scores_b))
            }
        }
    }
}

impl Classify {
    /// One vector for each text or picture: `[b, d]`.
    fn pooled(&self, batch: &Batch) -> Result<Tensor> {
        let keys_b = batch.tensor("text_keys")?;
        let (layout, output) = match self.reads {
            Reads::Text => {
                let layout = batch.layout("text")?;
                let (tokens_n, types_n) = (batch.tensor("text.tokens")?, batch.get("text.types")?);
                let mut pass = self.encoder.pass(&layout).tokens(&tokens_n);
                if let Some(types_n) = &types_n {
                    pass = pass.input("token_types", types_n);
                }
                let output = pass.run()?;
                (layout, output)
            }
            Reads::Pictures(_) => {
                let layout = Layout::with_keys(&batch.tensor("picture_rows")?, &keys_b);
                let pixels_bchw = batch.tensor("image.pixels")?;
                let output = self.encoder.pass(&layout).workflow("image").input("pixels", &pixels_bchw).run()?;
                (layout, output)
            }
        };
        let hidden_nd = output.hidden();
        let pooled_bd = match self.pooling {
            Pooling::First => hidden_nd.index_select(0, layout.first_rows()),
            Pooling::Mean => layout.mean(hidden_nd),
            Pooling::Last => hidden_nd.index_select(0, layout.last_rows()),
        };
        // Draws belong to the texts, whatever else is in the batch.
        let texts = Layout::with_keys(&batch.tensor("text_rows")?, &keys_b);
        Ok(pooled_bd.dropout(self.dropout, Some(&texts), "pooled"))
    }
}

impl Collate for Classify {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let mut keys = Vec::new();
        for sample in samples.iter() {
            // 52 bits: numbers that both a double and an i64 hold.
            keys.push((sample.uniforms("dropout", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add("text_rows", &vec![1_u32; keys.len()])?;
        if let Reads::Pictures(rows) = self.reads {
            samples.add("picture_rows", &vec![rows as u32; keys.len()])?;
        }
        samples.add("text_keys", &keys)
    }
}

impl Figures for Classify {
    /// Of classes macro-F1 and Matthews' correlation beside the accuracy; of scores Pearson's and Spearman's correlation.
    fn figures(&self, items: &Items) -> Result<Vec<(String, f64)>> {
        let figure = |name: &str, value: f64| (name.to_owned(), value);
        Ok(match self.target {
            Target::Class { .. } => {
                let (predicted, labels) = (items.indices("prediction")?, items.indices("label")?);
                vec![
                    figure("accuracy", metrics::accuracy(&predicted, &labels)),
                    figure("macro_f1", metrics::macro_f1(&predicted, &labels)),
                    figure("matthews", metrics::matthews(&predicted, &labels)),
                ]
            }
            Target::Score => {
                let (predicted, scores) = (items.numbers("prediction")?, items.numbers("label")?);
                vec![
                    figure("pearson", metrics::pearson(predicted, scores)),
                    figure("spearman", metrics::spearman(predicted, scores)),
                ]
            }
        })
    }
}

export_plugin! { name: "classify", provides: [Objective<Classify>, Collate<Classify>, Figures<Classify>] }
