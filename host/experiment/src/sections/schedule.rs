//! `[schedule]`: the learning rate over the run.

use serde::Deserialize;

use crate::schema::{Field, Kind, Schema};

pub(crate) const HEADER: &str = "[schedule]";
pub(crate) const INTRO: &str = "The learning rate over the run, as a share of the optimizer's.";

/// The `[schedule]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The curve: the key `use`.
    #[serde(rename = "use")]
    pub kind: ScheduleKind,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Share of the learning rate at the end, in [0, 1].
    pub final_share: f64,
    /// `wsd`: steps of the final decay.
    pub decay_steps: Option<u64>,
}

/// The learning rate's curve after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Stays.
    Constant,
    /// Falls in a straight line.
    Linear,
    /// Falls along half a cosine. Loshchilov and Hutter 2017, arXiv:1608.03983.
    Cosine,
    /// Warm-up, stable, decay. Hu et al. 2024, arXiv:2404.06395, section 4.
    Wsd,
    /// Falls with the root of the step. Vaswani et al. 2017, arXiv:1706.03762, section 5.3.
    InverseSqrt,
}

pub(crate) fn schema() -> Schema {
    Schema {
        fields: vec![
            Field::new("use", Kind::Text, "The curve after the warm-up.").or("linear").one_of(&[
                "constant",
                "linear",
                "cosine",
                "wsd",
                "inverse_sqrt",
            ]),
            Field::new("warmup_steps", Kind::Integer, "Steps of linear warm-up.").or(0).at_least(0.0),
            Field::new("final_share", Kind::Float, "Share of the learning rate that is left at the end.")
                .or(0.0)
                .at_least(0.0)
                .at_most(1.0),
            Field::new("decay_steps", Kind::Integer, "Steps of the final decay of `wsd`.").optional().at_least(1.0),
        ],
    }
}
