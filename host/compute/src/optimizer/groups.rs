//! Parameter groups: which weights an optimizer changes, with which rate and decay.

use std::sync::Arc;

use super::clip::{clip_factor, norm_of};
use super::in_range;
use crate::weights::{Weight, Weights};
use crate::{Error, Gradients, Result, Value};

/// What holds for weights whose name matches one of `names`.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Globs over weight names: `*` stands for any letters, `?` for one.
    pub names: Vec<String>,
    /// Factor on the learning rate.
    pub learning_rate_scale: f64,
    /// Weight decay instead of the common one.
    pub weight_decay: Option<f64>,
}

/// The groups of one optimizer, its common weight decay and its largest gradient norm.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Globs over the weights it changes; empty for all. Phases with their own optimizers share weights out by it.
    pub only: Vec<String>,
    /// The first group that matches a weight holds.
    pub groups: Vec<Group>,
    /// Weight decay where no group says otherwise. Weights created with `decay: false` never get any.
    pub weight_decay: f64,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    pub max_norm: Option<f64>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { only: Vec::new(), groups: Vec::new(), weight_decay: 0.01, max_norm: None }
    }
}

/// Whether `name` matches `glob`, in which `*` stands for any letters and `?` for one.
#[must_use]
pub fn matches_glob(glob: &str, name: &str) -> bool {
    // Lists of plain names are matched against every weight in every step.
    if !glob.contains(['*', '?']) {
        return glob == name;
    }
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // Where the last star was, and how much of the name it stands for.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if g < glob.len() && glob[g] == '*' {
            star = Some((g, n));
            g += 1;
        } else if g < glob.len() && (glob[g] == '?' || glob[g] == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((at, end)) = star {
            star = Some((at, end + 1));
            (g, n) = (at + 1, end + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|letter| *letter == '*')
}

/// One weight to be changed in a step.
pub(super) struct Item {
    pub(super) weight: Arc<Weight>,
    pub(super) value: Value,
    pub(super) gradient: Value,
    pub(super) learning_rate: f64,
    /// The factor in it that is the group's.
    pub(super) scale: f64,
    pub(super) weight_decay: f64,
}

/// The weights to be changed in a step, and the norm of their gradients.
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) norm: f64,
    pub(super) factor: f64,
}

impl Groups {
    /// Checks ranges.
    ///
    /// # Errors
    /// When a decay or scale is negative or not finite, or the norm not positive.
    pub fn check(&self) -> Result<()> {
        in_range("weight_decay", self.weight_decay, 0.0..f64::INFINITY)?;
        for group in &self.groups {
            in_range("learning_rate_scale", group.learning_rate_scale, 0.0..f64::INFINITY)?;
            in_range("weight_decay of a group", group.weight_decay.unwrap_or(0.0), 0.0..f64::INFINITY)?;
        }
        in_range("max_norm", self.max_norm.unwrap_or(1.0), f64::MIN_POSITIVE..f64::INFINITY)
    }

    /// Globs that match no weight: most often a misspelt name.
    #[must_use]
    pub fn unmatched(&self, weights: &Weights) -> Vec<String> {
        let owners = weights.owners();
        let globs = self.only.iter().chain(self.groups.iter().flat_map(|group| &group.names));
        globs.filter(|glob| !owners.iter().any(|weight| matches_glob(glob, weight.name()))).cloned().collect()
    }

    /// Factor on the learning rate and weight decay of a weight, or `None` when it is not changed here.
    #[must_use]
    pub fn of(&self, weight: &Weight) -> Option<(f64, f64)> {
        let any = |globs: &[String]| globs.iter().any(|glob| matches_glob(glob, weight.name()));
        if !self.only.is_empty() && !any(&self.only) {
            return None;
        }
        let group = self.groups.iter().find(|group| any(&group.names));
        let decay = group.and_then(|group| group.weight_decay).unwrap_or(self.weight_decay);
        Some((group.map_or(1.0, |group| group.learning_rate_scale), if weight.decay() { decay } else { 0.0 }))
    }

    /// What a step will do. Gradients are left in place.
    pub(super) fn plan(&self, weights: &Weights, gradients: &Gradients, learning_rate: f64) -> Result<Plan> {
        let mut items = Vec::new();
        for weight in weights.trainable() {
            let (Some((scale, weight_decay)), Some(gradient)) = (self.of(&weight), gradients.get(&weight.leaf()))
            else {
                continue;
            };
            if gradient.dims() != weight.shape() {
                let fact =
                    format!("`{}` has shape {:?}, its gradient {:?}", weight.name(), weight.shape(), gradient.dims());
                return Err(Error::shape("optimizer", fact));
            }
            let value = weight.value();
            let gradient = gradient.to_dtype(value.dtype())?.contiguous()?;
            items.push(Item { weight, value, gradient, learning_rate: learning_rate * scale, scale, weight_decay });
        }
        let norm = norm_of(items.iter().map(|item| &item.gradient))?;
        Ok(Plan { items, norm, factor: clip_factor(norm, self.max_norm) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name, matches) in [
            ("*", "", true),
            ("encoder.*", "encoder.layers.0.weight", true),
            ("*.bias", "encoder.bias", true),
            ("*.bias", "encoder.bias2", false),
            ("layers.?.w", "layers.3.w", true),
            ("layers.?.w", "layers.13.w", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "a", false),
        ] {
            assert_eq!(matches_glob(glob, name), matches, "{glob} {name}");
        }
    }
}
