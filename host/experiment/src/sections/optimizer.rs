//! `[optimizer]` and `[[optimizer.group]]`: how weights move.

use serde::Deserialize;

use crate::schema::{Field, Kind, Schema};

pub(crate) const HEADER: &str = "[optimizer]";
pub(crate) const INTRO: &str =
    "How weights move. `beta1`, `beta2` and `epsilon` belong to `adamw`, `momentum` and `nesterov` to `sgd`.";
pub(crate) const GROUP_HEADER: &str = "[[optimizer.group]]";
pub(crate) const GROUP_INTRO: &str =
    "Parameters that move otherwise; the first group that matches a parameter's name holds.";

/// The `[optimizer]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The rule: the key `use`.
    #[serde(rename = "use")]
    pub kind: OptimizerKind,
    /// Peak learning rate, at least 0.
    pub learning_rate: f64,
    /// AdamW: decay of the first moment, in [0, 1).
    pub beta1: f64,
    /// AdamW: decay of the second moment, in [0, 1).
    pub beta2: f64,
    /// AdamW: added to the root of the second moment, above 0.
    pub epsilon: f64,
    /// Decoupled weight decay, at least 0.
    pub weight_decay: f64,
    /// SGD: share of the last step kept, in [0, 1).
    pub momentum: f64,
    /// SGD: look ahead along the momentum.
    pub nesterov: bool,
    /// Largest norm of all gradients together; 0 does not clip.
    pub clip_norm: f64,
    /// Decay of a moving average of the weights, in (0, 1).
    pub ema: Option<f64>,
    /// Factor on the learning rate from each layer to the one below it, in (0, 1].
    pub layer_decay: Option<f64>,
    /// The groups, in the order of the file.
    #[serde(skip)]
    pub groups: Vec<Group>,
}

/// A `[[optimizer.group]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Globs over whole parameter names: the key `match`.
    #[serde(rename = "match")]
    pub patterns: Vec<String>,
    /// Factor on the learning rate, at least 0.
    pub learning_rate_scale: f64,
    /// Weight decay of these parameters; none means the optimizer's.
    pub weight_decay: Option<f64>,
}

/// The rule by which weights move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
    AdamW,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

impl Group {
    /// Whether one of the patterns fits the whole name; `*` stands for any letters, dots included, `?` for one letter.
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern, name))
    }
}

pub(crate) fn schema() -> Schema {
    use Kind::{Bool, Float, Text};
    Schema {
        fields: vec![
            Field::new("use", Text, "The rule; AdamW is Loshchilov and Hutter 2019, arXiv:1711.05101.")
                .or("adamw")
                .one_of(&["adamw", "sgd"]),
            Field::new("learning_rate", Float, "Peak learning rate; the schedule scales it.").or(1e-3).at_least(0.0),
            Field::new("beta1", Float, "Decay of the first moment.").or(0.9).at_least(0.0).less_than(1.0),
            Field::new("beta2", Float, "Decay of the second moment.").or(0.999).at_least(0.0).less_than(1.0),
            Field::new("epsilon", Float, "Added to the root of the second moment.").or(1e-8).more_than(0.0),
            Field::new("weight_decay", Float, "Decoupled weight decay.").or(0.01).at_least(0.0),
            Field::new("momentum", Float, "Share of the last step that is kept.").or(0.9).at_least(0.0).less_than(1.0),
            Field::new("nesterov", Bool, "Look ahead along the momentum.").or(false),
            Field::new("clip_norm", Float, "Largest norm of all gradients together; 0 does not clip.")
                .or(1.0)
                .at_least(0.0),
            Field::new(
                "layer_decay",
                Float,
                "Factor on the learning rate from each layer to the one below it, down to the embeddings: Howard and Ruder 2018, \
                 arXiv:1801.06146, section 3.2.",
            )
            .optional()
            .more_than(0.0)
            .at_most(1.0),
            Field::new("ema", Float, "Decay of a moving average of the weights, kept beside them.")
                .optional()
                .more_than(0.0)
                .less_than(1.0),
        ],
    }
}

pub(crate) fn group_schema() -> Schema {
    Schema {
        fields: vec![
            Field::new("match", Kind::Texts, "Globs over whole parameter names, such as `*.bias`; `*` crosses dots."),
            Field::new("learning_rate_scale", Kind::Float, "Factor on the learning rate.").or(1.0).at_least(0.0),
            Field::new("weight_decay", Kind::Float, "Weight decay of these parameters; left out, the optimizer's.")
                .optional()
                .at_least(0.0),
        ],
    }
}

/// Glob matching in the product of both lengths at worst: on a mismatch the last `*` takes one letter more.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&letter| letter == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn globs_fit_whole_names() {
        for (pattern, name) in [
            ("*", ""),
            ("*.bias", "encoder.0.bias"),
            ("encoder.*", "encoder.0.bias"),
            ("*.?.*", "a.1.b"),
            ("a*b*c", "aXbYbZc"),
            ("x", "x"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "a"), ("bias", "a.bias"), ("*.bias", "a.bias.b"), ("a?", "a"), ("a*b", "ac"), ("**x", "y")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
