//! Probes: how much of a label can be read off a model's frozen features, by a linear classifier or the nearest samples.
//!
//! Alain and Bengio 2016, arXiv:1610.01644, section 3; nearest neighbours as in Wu et al. 2018, arXiv:1805.01978, section 3.4,
//! every neighbour counting the same. Axes: b texts or pictures, d width.

use plugin_api::features::Features;
use plugin_api::metrics;
use plugin_api::prelude::*;
use plugin_api::probe::{Logistic, Neighbours, Ridge, Standard};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct ProbeSettings {
    /// The role of the model.
    #[setting(default = "encoder")]
    role: String,
    /// The layer whose features are read: 0 the embeddings, k the output of block k. Left out: the end of the model.
    layer: Option<usize>,
    /// The rows that stand for a text or a picture: of this the mean is that of its patches.
    #[setting(default = "mean", choices = ["first", "mean", "last"])]
    pooling: String,
    /// What is fitted. Scores always get a ridge regression.
    #[setting(default = "both", choices = ["linear", "knn", "both"])]
    method: String,
    /// Weight of Σ weight² / 2 beside the sum of the losses: 1 / C of scikit-learn's logistic regression.
    #[setting(default = 1.0, range = 0.0..=1e9)]
    penalty: f64,
    /// Neighbours that vote.
    #[setting(default = 5, range = 1..=1000)]
    neighbours: usize,
    /// Give each feature the mean 0 and the deviation 1 first, over the training samples.
    #[setting(default = true)]
    standardise: bool,
}

/// The evaluator.
pub struct Probe {
    settings: ProbeSettings,
    features: Features,
    /// The number of classes; `None` for scores.
    classes: Option<usize>,
}

impl Evaluator for Probe {
    type Settings = ProbeSettings;

    fn new(settings: ProbeSettings, scope: &Scope) -> Result<Self> {
        let features = Features::new(scope, &settings.role, settings.layer, &settings.pooling)?;
        let modality = features.modality();
        let classes = match scope.label_kind(modality)?.as_deref() {
            Some(inside @ ("tags" | "classes")) => {
                let (of, objective) = if inside == "tags" { ("words", "tag") } else { ("pixels", "segment") };
                return Err(Error::unsupported(format!(
                    "a probe reads one label off each sample, and this data labels {of}"
                ))
                .help(format!("train the objective `{objective}` on a frozen model: `model.encoder.frozen=true`")));
            }
            Some("score") => None,
            _ => Some(scope.labels(modality)?.len()),
        };
        Ok(Self { features, classes, settings })
    }

    fn uses_training(&self) -> bool {
        true
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let label = if self.classes.is_some() { "label" } else { "score" };
        let labels_b = batch.tensor(&format!("{}.{label}", self.features.modality()))?;
        let features_bd = self.features.apply(batch)?;
        Ok(Loss::new().item_for_figures("features", &features_bd).item("label", &labels_b))
    }

    fn figures(&self, training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let training = training.ok_or_else(|| Error::data("a probe needs training samples"))?;
        let (mut seen, mut new) = (training.lists("features")?.to_vec(), held_out.lists("features")?.to_vec());
        if self.settings.standardise {
            let standard = Standard::of(&seen)?;
            (seen, new) = (standard.apply(&seen), standard.apply(&new));
        }
        let mut figures = Vec::new();
        match self.classes {
            Some(classes) => {
                let (labels, truth) = (training.indices("label")?, held_out.indices("label")?);
                let mut add = |name: &str, predicted: &[usize]| {
                    figures.push((format!("{name}accuracy"), metrics::accuracy(predicted, &truth)));
                    figures.push((format!("{name}macro_f1"), metrics::macro_f1(predicted, &truth)));
                };
                if self.settings.method != "knn" {
                    add("", &Logistic::fit(&seen, &labels, classes, self.settings.penalty)?.predict(&new));
                }
                if self.settings.method != "linear" {
                    add("knn_", &Neighbours::new(&seen, &labels, classes)?.predict(&new, self.settings.neighbours));
                }
                figures.push(("majority".to_owned(), majority(&labels, &truth, classes)));
            }
            None => {
                let truth = held_out.numbers("label")?;
                let predicted = Ridge::fit(&seen, training.numbers("label")?, self.settings.penalty)?.predict(&new);
                figures.push(("pearson".to_owned(), metrics::pearson(&predicted, truth)));
                figures.push(("spearman".to_owned(), metrics::spearman(&predicted, truth)));
            }
        }
        Ok(figures)
    }
}

/// The accuracy of always saying the class that the training samples have most often.
fn majority(labels: &[usize], truth: &[usize], classes: usize) -> f64 {
    let often = |class: usize| labels.iter().filter(|label| **label == class).count();
    let most = (0..classes).fold(0, |best, class| if often(class) > often(best) { class } else { best });
    metrics::accuracy(&vec![most; truth.len()], truth)
}

export_plugin! { name: "probe", provides: [Evaluator<Probe>] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_is_that_of_the_training_samples() {
        assert_eq!(majority(&[1, 1, 0, 2], &[1, 0, 0, 1], 3), 0.5);
        assert_eq!(majority(&[2, 2, 0], &[0, 1], 3), 0.0);
    }
}
