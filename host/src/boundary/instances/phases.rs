//! The phases of an objective: several losses in a step, each with an optimizer of its own.

use std::sync::Arc;

use compute::weights::Weights;
use lacuna_abi::Phases;
use serde::Deserialize;

use super::{Instance, called_for, text_of};
use crate::boundary::frame::Callee;
use crate::boundary::provider::{self, Provider};
use crate::boundary::scope::Context;
use crate::error::{Error, Result};

/// One of several losses in a step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Phase {
    /// Its name in metrics and checkpoints.
    pub name: String,
    /// The roles whose models, and heads asked for by the objective, it trains.
    pub roles: Vec<String>,
    /// Names, or scopes, of the objective's own weights that it trains as well.
    pub own: Vec<String>,
}

impl Phase {
    /// The weights it trains, by the names of those that own their slots: a weight tied to one of another phase's models
    /// is trained by both. Those of the objective lie below `objective`.
    #[must_use]
    pub fn weights(&self, weights: &Weights, objective: &str) -> Vec<String> {
        let below = |path: &str, name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let belongs = |name: &str| {
            let heads = |role: &String| below(&format!("{objective}.{role}"), name);
            let own = |own: &String| {
                let path = format!("{objective}.{own}");
                name == path || below(&path, name)
            };
            self.roles.iter().any(|role| below(role, name) || heads(role)) || self.own.iter().any(own)
        };
        let mut names: Vec<String> = weights
            .all()
            .iter()
            .filter(|weight| weight.trainable() && belongs(weight.name()))
            .map(|weight| weight.owner().name().to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The phases of an instance and the table that computes their losses.
pub(super) struct Phased {
    pub(super) table: &'static Phases,
    pub(super) phases: Vec<Phase>,
}

impl Phased {
    /// Asks an instance, whose own weights lie below `path`, for its phases; `None` where it has none.
    pub(super) fn ask(
        plugin: &dyn Provider,
        path: &str,
        callee: &Callee,
        instance: &Instance,
        context: &Arc<Context>,
    ) -> Result<Option<Self>> {
        let Some(table) = provider::interface::<Phases>(plugin)? else { return Ok(None) };
        let json = called_for(callee, "phases", &context.creation(), |out| {
            // SAFETY: the instance is alive; the place is writable.
            unsafe { (table.phases)(instance.pointer, out) }
        })?;
        let json = text_of(callee, "phases", json)?.unwrap_or_default();
        let phases: Vec<Phase> = serde_json::from_str(&json).map_err(|error| {
            Error::new("plugin/phases", format!("{} names its phases in broken JSON: {error}", callee.plugin))
        })?;
        for (index, phase) in phases.iter().enumerate() {
            let fault = |what: String| Err(Error::new("plugin/phases", format!("{}: {what}", callee.plugin)));
            if phase.name.is_empty() || phase.name.contains('/') {
                return fault(format!("a phase is named `{}`; give it a word", phase.name));
            }
            if phases[..index].iter().any(|other| other.name == phase.name) {
                return fault(format!("two phases are named `{}`", phase.name));
            }
            if phase.weights(&context.weights, path).is_empty() {
                let roles = phase.roles.join(", ");
                return fault(format!("the phase `{}` has no weight to train in its roles ({roles})", phase.name));
            }
        }
        Ok((!phases.is_empty()).then_some(Self { table, phases }))
    }
}
