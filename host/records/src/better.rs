//! Which way a metric gets better, as far as its name tells.

use serde::Serialize;

/// Which way a metric gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Losses, perplexities, errors.
    Lower,
    /// Accuracies, F1, recalls.
    Higher,
}

impl Better {
    /// What the metric's name tells; nothing for one whose size says nothing, such as a learning rate.
    #[must_use]
    pub fn of(metric: &str) -> Option<Self> {
        let words: Vec<String> = metric.split(|c: char| !c.is_alphanumeric()).map(|word| word.to_lowercase()).collect();
        let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
        if has(&[
            "loss",
            "perplexity",
            "ppl",
            "error",
            "errors",
            "wer",
            "cer",
            "nll",
            "bits",
            "bpb",
            "mse",
            "mae",
            "rmse",
            "kl",
        ]) {
            Some(Self::Lower)
        } else if has(&[
            "accuracy",
            "acc",
            "f1",
            "precision",
            "recall",
            "auc",
            "map",
            "mrr",
            "ndcg",
            "bleu",
            "rouge",
            "score",
            "exact",
            "spearman",
            "pearson",
            "reward",
        ]) {
            Some(Self::Higher)
        } else {
            None
        }
    }

    /// The best of (step, value); of equals the first.
    #[must_use]
    pub fn best(self, points: &[(f64, f64)]) -> Option<(f64, f64)> {
        points.iter().copied().filter(|(_, value)| !value.is_nan()).reduce(|best, next| {
            let better = match self {
                Self::Lower => next.1 < best.1,
                Self::Higher => next.1 > best.1,
            };
            if better { next } else { best }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_which_way_is_better() {
        for (name, better) in [
            ("loss", Some(Better::Lower)),
            ("mlm/loss", Some(Better::Lower)),
            ("top5_accuracy", Some(Better::Higher)),
            ("F1", Some(Better::Higher)),
            ("grad_norm", None),
            ("learning_rate", None),
            ("glossary", None),
        ] {
            assert_eq!(Better::of(name), better, "{name}");
        }
    }
}
