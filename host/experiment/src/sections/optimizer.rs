//! `[optimizer]` and `[[optimizer.group]]`: how weights move.

use serde::Deserialize;

use super::rules::{RULES, rule};
use crate::schema::{Field, Kind, Schema};
use crate::table::{Content, Table};

pub(crate) const HEADER: &str = "[optimizer]";
pub(crate) const INTRO: &str =
    "How weights move: by the rule `use`, whose own keys follow below. Keys of other rules are refused.";
pub(crate) const GROUP_HEADER: &str = "[[optimizer.group]]";
pub(crate) const GROUP_INTRO: &str =
    "Parameters that move otherwise; the first group that matches a parameter's name holds.";

/// The `[optimizer]` section. What does not belong to its rule is 0, false or empty.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The rule: the key `use`.
    #[serde(rename = "use")]
    pub kind: OptimizerKind,
    /// Peak learning rate, at least 0.
    pub learning_rate: f64,
    /// Decay of the first moment, in [0, 1).
    #[serde(default)]
    pub beta1: f64,
    /// Decay of the second moment, in [0, 1).
    #[serde(default)]
    pub beta2: f64,
    /// Added to the root of the second moment; Adafactor: to squared gradients.
    #[serde(default)]
    pub epsilon: f64,
    /// Decoupled weight decay, at least 0.
    pub weight_decay: f64,
    /// SGD, Muon: share of the last step kept, in [0, 1).
    #[serde(default)]
    pub momentum: f64,
    /// SGD, Muon: look ahead along the momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// LAMB: the largest ratio of norms; 0 for none.
    #[serde(default)]
    pub trust_clip: f64,
    /// Adafactor: the second moment keeps 1 − step^-this.
    #[serde(default)]
    pub decay_exponent: f64,
    /// Adafactor: the least size of a weight that its rate is scaled by.
    #[serde(default)]
    pub scale_epsilon: f64,
    /// Adafactor: the largest root mean square of a step before the rate.
    #[serde(default)]
    pub update_clip: f64,
    /// Adafactor: the rate counts in sizes of the weight.
    #[serde(default)]
    pub scale_parameter: bool,
    /// Adafactor: the rate is min(0.01, 1/√step).
    #[serde(default)]
    pub relative_step: bool,
    /// Adafactor: the relative rate begins at 10⁻⁶ · step.
    #[serde(default)]
    pub warmup_init: bool,
    /// Muon: iterations that make a matrix orthogonal.
    #[serde(default)]
    pub newton_schulz_steps: usize,
    /// Muon: `match_rms` or `original`.
    #[serde(default)]
    pub adjust: String,
    /// Muon: factor on the learning rate of what AdamW moves.
    #[serde(default)]
    pub adamw_learning_rate_scale: f64,
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
    /// You et al. 2020, arXiv:1904.00962.
    Lamb,
    /// Shazeer and Stern 2018, arXiv:1804.04235.
    Adafactor,
    /// Chen et al. 2023, arXiv:2302.06675.
    Lion,
    /// Jordan et al. 2024.
    Muon,
}

impl Group {
    /// Whether one of the patterns fits the whole name; `*` stands for any letters, dots included, `?` for one letter.
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern, name))
    }
}

/// What every rule has.
pub(crate) fn schema() -> Schema {
    use Kind::{Float, Text};
    let names = RULES.map(|rule| rule.name);
    Schema {
        fields: vec![
            Field::new("use", Text, "The rule by which weights move.").or(names[0]).one_of(&names),
            Field::new("learning_rate", Float, "Peak learning rate; the schedule scales it.").or(1e-3).at_least(0.0),
            Field::new("weight_decay", Float, "Decoupled weight decay.").or(0.01).at_least(0.0),
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

/// The keys of the rule that a section names, those of all rules first.
pub(crate) fn schema_of(section: &Table) -> Schema {
    let name = section.get("use").and_then(|node| match &node.content {
        Content::Text(name) => Some(name.as_str()),
        _ => None,
    });
    let mut schema = schema();
    schema.fields.extend((rule(name).fields)());
    schema
}

/// Whose settings they are, in errors.
pub(crate) fn in_words(section: &Table) -> String {
    match section.get("use").map(|node| &node.content) {
        Some(Content::Text(name)) if RULES.iter().any(|rule| rule.name == name) => {
            format!("`[optimizer]` with `use = \"{name}\"`")
        }
        _ => super::in_words(HEADER),
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
