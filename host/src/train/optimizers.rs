//! Optimizers as an experiment asks for them.

use compute::optimizer::{Group, Groups, Optimizer, Settings, optimizer};
use compute::weights::Weights;
use experiment::{Experiment, OptimizerKind};

use super::layer_decay::by_layer;
use crate::error::{Error, Result};

/// The groups of `[[optimizer.group]]` over the weights `only`; over all where that is empty.
fn groups(experiment: &Experiment, only: Vec<String>) -> Groups {
    let settings = &experiment.optimizer;
    Groups {
        only,
        groups: settings
            .groups
            .iter()
            .map(|group| Group {
                names: group.patterns.clone(),
                learning_rate_scale: group.learning_rate_scale,
                weight_decay: group.weight_decay,
            })
            .collect(),
        weight_decay: settings.weight_decay,
        max_norm: Some(settings.clip_norm).filter(|norm| *norm > 0.0),
    }
}

/// The optimizer of `[optimizer]` for the weights named `only`; for all where that is empty.
///
/// # Errors
/// When a group matches nothing, or a setting is out of range.
pub(super) fn make_optimizer(
    experiment: &Experiment,
    weights: &Weights,
    only: Vec<String>,
) -> Result<Box<dyn Optimizer>> {
    let mut groups = groups(experiment, only);
    if let Some(glob) = groups.unmatched(weights).first() {
        let owners = weights.owners();
        let example = owners.first().map_or("…", |weight| weight.name());
        return Err(Error::new("config/group", format!("`{glob}` in [[optimizer.group]] matches no weight"))
            .with_help(format!("weights are called like `{example}`")));
    }
    let settings = &experiment.optimizer;
    if let Some(decay) = settings.layer_decay {
        let names: Vec<String> = weights.owners().iter().map(|weight| weight.name().to_owned()).collect();
        groups.groups = by_layer(&settings.groups, decay, &names)?;
    }
    let name = match settings.kind {
        OptimizerKind::AdamW => "adamw",
        OptimizerKind::Sgd => "sgd",
    };
    let settings = Settings {
        betas: (settings.beta1, settings.beta2),
        epsilon: settings.epsilon,
        momentum: settings.momentum,
        nesterov: settings.nesterov,
        groups,
    };
    Ok(optimizer(name, &settings)?)
}
