//! The rules of `[optimizer]`, and the settings that belong to each.

use crate::schema::{Field, Kind};

/// A rule: its name in `use`, where it comes from, the header of its table in the reference.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) header: &'static str,
    pub(crate) intro: &'static str,
    pub(crate) fields: fn() -> Vec<Field>,
}

/// All rules, the default first.
pub(crate) const RULES: [Rule; 6] = [
    Rule {
        name: "adamw",
        header: "[optimizer] use = \"adamw\"",
        intro: "Adam with decoupled weight decay: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.",
        fields: || adam(0.999, 1e-8),
    },
    Rule {
        name: "sgd",
        header: "[optimizer] use = \"sgd\"",
        intro: "Gradient descent with momentum; weight decay is part of the gradient.",
        fields: || vec![momentum(0.9), nesterov(false)],
    },
    Rule {
        name: "lamb",
        header: "[optimizer] use = \"lamb\"",
        intro: "Adam whose steps are as long as the weights are: You et al. 2020, arXiv:1904.00962, algorithm 2. The ratio of \
                norms applies to weights that decay.",
        fields: || {
            let mut fields = adam(0.999, 1e-6);
            let doc = "Largest ratio of a weight's norm to that of its step; 0 for none.";
            fields.push(Field::new("trust_clip", Kind::Float, doc).or(0.0).at_least(0.0));
            fields
        },
    },
    Rule {
        name: "adafactor",
        header: "[optimizer] use = \"adafactor\"",
        intro: "Second moments of matrices by rows and columns: Shazeer and Stern 2018, arXiv:1804.04235, as in transformers.",
        fields: adafactor,
    },
    Rule {
        name: "lion",
        header: "[optimizer] use = \"lion\"",
        intro: "Steps of one size by the sign of an average: Chen et al. 2023, arXiv:2302.06675. It wants a learning rate some \
                3 to 10 times smaller than AdamW's, and a weight decay larger by as much.",
        fields: || {
            vec![
                beta("beta1", "Share of the average in the direction of a step.", 0.9),
                beta("beta2", "Share of the average that is kept.", 0.99),
            ]
        },
    },
    Rule {
        name: "muon",
        header: "[optimizer] use = \"muon\"",
        intro: "Orthogonal momentum for matrices (Jordan et al. 2024, as in `torch.optim.Muon`); AdamW moves vectors and tables \
                of embeddings.",
        fields: muon,
    },
];

/// The rule of that name; the default where there is none, which the schema refuses.
pub(crate) fn rule(name: Option<&str>) -> &'static Rule {
    RULES.iter().find(|rule| Some(rule.name) == name).unwrap_or(&RULES[0])
}

fn beta(name: &str, doc: &str, default: f64) -> Field {
    Field::new(name, Kind::Float, doc).or(default).at_least(0.0).less_than(1.0)
}

fn adam(beta2: f64, epsilon: f64) -> Vec<Field> {
    vec![
        beta("beta1", "Decay of the first moment.", 0.9),
        beta("beta2", "Decay of the second moment.", beta2),
        Field::new("epsilon", Kind::Float, "Added to the root of the second moment.").or(epsilon).more_than(0.0),
    ]
}

fn momentum(default: f64) -> Field {
    beta("momentum", "Share of the last step that is kept.", default)
}

fn nesterov(default: bool) -> Field {
    Field::new("nesterov", Kind::Bool, "Look ahead along the momentum.").or(default)
}

fn adafactor() -> Vec<Field> {
    let float = |name, doc| Field::new(name, Kind::Float, doc);
    let truth = |name, doc, default: bool| Field::new(name, Kind::Bool, doc).or(default);
    vec![
        beta("beta1", "Decay of a first moment; 0 keeps none.", 0.0),
        float("decay_exponent", "The second moment keeps 1 − step to the power of minus this.").or(0.8).more_than(0.0),
        float("epsilon", "Added to squared gradients.").or(1e-30).at_least(0.0),
        float("scale_epsilon", "Least size of a weight that its rate is scaled by.").or(1e-3).at_least(0.0),
        float("update_clip", "Largest root mean square of a step, before the rate.").or(1.0).more_than(0.0),
        truth("scale_parameter", "The rate counts in sizes of the weight: its root mean square.", true),
        truth("relative_step", "The rate is min(0.01, 1/√step); `learning_rate` and `[schedule]` do not count.", false),
        truth("warmup_init", "With `relative_step`: the rate begins at 10⁻⁶ · step.", false),
    ]
}

fn muon() -> Vec<Field> {
    let adjust = "How a matrix's rate follows from the common one: `match_rms`, times 0.2 · √max(rows, columns), takes steps as \
                  large as AdamW's; `original`, times √max(1, rows / columns).";
    let mut fields = vec![
        momentum(0.95),
        nesterov(true),
        Field::new("newton_schulz_steps", Kind::Integer, "Iterations that make a matrix orthogonal.")
            .or(5)
            .at_least(1.0)
            .at_most(99.0),
        Field::new("adjust", Kind::Text, adjust).or("match_rms").one_of(&["match_rms", "original"]),
        Field::new("adamw_learning_rate_scale", Kind::Float, "Factor on the learning rate of what AdamW moves.")
            .or(1.0)
            .at_least(0.0),
    ];
    fields.extend(adam(0.999, 1e-8));
    fields
}
