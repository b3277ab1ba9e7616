//! Optimizers as an experiment asks for them.

use compute::optimizer::{AdafactorSettings, Group, Groups, MuonAdjust, MuonSettings, Optimizer, Settings, optimizer};
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
    let own = &experiment.optimizer;
    if let Some(decay) = own.layer_decay {
        let names: Vec<String> = weights.owners().iter().map(|weight| weight.name().to_owned()).collect();
        groups.groups = by_layer(&own.groups, decay, &names)?;
    }
    let name = match own.kind {
        OptimizerKind::AdamW => "adamw",
        OptimizerKind::Sgd => "sgd",
        OptimizerKind::Lamb => "lamb",
        OptimizerKind::Adafactor => "adafactor",
        OptimizerKind::Lion => "lion",
        OptimizerKind::Muon => "muon",
    };
    let mut settings = Settings {
        betas: (own.beta1, own.beta2),
        epsilon: own.epsilon,
        momentum: own.momentum,
        nesterov: own.nesterov,
        trust_clip: own.trust_clip,
        groups,
        ..Settings::default()
    };
    match own.kind {
        OptimizerKind::Adafactor => {
            settings.adafactor = AdafactorSettings {
                decay_exponent: own.decay_exponent,
                scale_epsilon: own.scale_epsilon,
                update_clip: own.update_clip,
                scale_parameter: own.scale_parameter,
                relative_step: own.relative_step,
                warmup_init: own.warmup_init,
                ..AdafactorSettings::default()
            };
        }
        OptimizerKind::Muon => {
            settings.muon = MuonSettings {
                iterations: own.newton_schulz_steps,
                adjust: MuonAdjust::named(&own.adjust)?,
                rest_scale: own.adamw_learning_rate_scale,
                ..MuonSettings::default()
            };
        }
        _ => {}
    }
    Ok(optimizer(name, &settings)?)
}
