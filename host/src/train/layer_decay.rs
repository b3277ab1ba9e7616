//! Learning rates that fall from the top layer to the embeddings.
//!
//! Howard and Ruder 2018, arXiv:1801.06146, section 3.2; for transformers as in Clark et al. 2020, arXiv:2003.10555, appendix A.
//! Of a stack of L layers, layer i (from 0, nearest the input) has the factor decay^(L − i), embeddings decay^(L + 1), and
//! everything above the stack, heads too, 1.

use std::collections::BTreeMap;

use compute::optimizer::Group;

use crate::error::{Error, Result};

/// What layers are called in names of weights; the number follows.
const LAYERS: [&str; 4] = ["layer", "layers", "blocks", "h"];

/// The groups of `[[optimizer.group]]` divided by layer: the weights `names` one by one, each with its group's rate and decay.
///
/// # Errors
/// When no weight belongs to a numbered layer.
pub(super) fn by_layer(groups: &[experiment::Group], decay: f64, names: &[String]) -> Result<Vec<Group>> {
    // The number of layers of each stack, and of the highest stack of each role.
    let (mut stacks, mut roles) = (BTreeMap::<String, usize>::new(), BTreeMap::<&str, usize>::new());
    for name in names {
        if let Some((stack, layer)) = layer_of(name) {
            let layers = stacks.entry(stack).or_default();
            *layers = (*layers).max(layer + 1);
            let highest = roles.entry(role(name)).or_default();
            *highest = (*highest).max(layer + 1);
        }
    }
    if stacks.is_empty() {
        let example = names.first().map_or("…", String::as_str);
        return Err(Error::new(
            "config/layer-decay",
            "`layer_decay` is set, and no weight belongs to a numbered layer",
        )
        .with_help(format!("weights are called like `{example}`, layers like `encoder.layer.0`: remove it")));
    }
    let mut divided: BTreeMap<(Option<usize>, usize), Vec<String>> = BTreeMap::new();
    for name in names {
        let below = match layer_of(name) {
            Some((stack, layer)) => stacks[&stack] - layer,
            None if name.split('.').skip(1).any(|part| part.contains("embed")) => {
                roles.get(role(name)).map_or(0, |layers| layers + 1)
            }
            None => 0,
        };
        let group = groups.iter().position(|group| group.matches(name));
        divided.entry((group, below)).or_default().push(name.clone());
    }
    let made = divided.into_iter().map(|((group, below), names)| {
        let group = group.map(|group| &groups[group]);
        let scale = group.map_or(1.0, |group| group.learning_rate_scale);
        Group {
            names,
            learning_rate_scale: scale * decay.powi(i32::try_from(below).unwrap_or(i32::MAX)),
            weight_decay: group.and_then(|group| group.weight_decay),
        }
    });
    Ok(made.collect())
}

fn role(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The stack and the number of the layer that a weight belongs to: `encoder.encoder.layer` and 3.
fn layer_of(name: &str) -> Option<(String, usize)> {
    let parts: Vec<&str> = name.split('.').collect();
    let place = parts.windows(2).position(|pair| LAYERS.contains(&pair[0]) && pair[1].parse::<usize>().is_ok())?;
    Some((parts[..=place].join("."), parts[place + 1].parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NAMES: [&str; 6] = [
        "encoder.embeddings.word_embeddings.weight",
        "encoder.encoder.layer.0.attention.weight",
        "encoder.encoder.layer.0.attention.bias",
        "encoder.encoder.layer.1.attention.weight",
        "encoder.encoder.LayerNorm.weight",
        "objective.classes.classifier.weight",
    ];

    fn of(groups: &[experiment::Group]) -> Vec<(f64, Option<f64>)> {
        let names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        let made = by_layer(groups, 0.5, &names).unwrap();
        let group = |name: &String| made.iter().find(|group| group.names.contains(name)).unwrap();
        names.iter().map(|name| (group(name).learning_rate_scale, group(name).weight_decay)).collect()
    }

    #[test]
    fn rates_fall_from_the_head_to_the_embeddings() {
        let scales: Vec<f64> = of(&[]).into_iter().map(|(scale, _)| scale).collect();
        assert_eq!(scales, [0.125, 0.25, 0.25, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn groups_keep_their_own_factor_and_decay() {
        let group = |pattern: &str, learning_rate_scale, weight_decay| experiment::Group {
            patterns: vec![pattern.to_owned()],
            learning_rate_scale,
            weight_decay,
        };
        let found = of(&[group("*.bias", 2.0, Some(0.0)), group("objective.*", 4.0, None)]);
        assert_eq!(found[2], (0.5, Some(0.0)));
        assert_eq!(found[1], (0.25, None));
        assert_eq!(found[5], (4.0, None));
    }

    #[test]
    fn a_model_without_layers_is_refused() {
        let error = by_layer(&[], 0.5, &["encoder.embeddings.weight".to_owned()]).unwrap_err();
        assert_eq!(error.code(), "config/layer-decay");
    }
}
