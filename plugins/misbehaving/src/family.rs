//! A family that embeds tokens and nothing more, unless it is told to do something wrong.

use plugin_api::custom;
use plugin_api::prelude::*;

/// The `[model.<role>]` section of an experiment.
#[derive(Settings)]
pub struct FamilySettings {
    /// The fault.
    #[setting(default = "nothing", choices = [
        "nothing", "panic_in_build", "panic_in_forward", "wrong_shape_out", "wrong_gradient", "mixes_samples", "rounds"
    ])]
    how: String,
    /// Width of the hidden rows.
    #[setting(default = 16, range = 1..=4096)]
    width: u64,
}

/// Token embeddings; misbehaves on request.
pub struct Family {
    how: String,
    width: usize,
    embedding: Weight,
}

impl ModelFamily for Family {
    type Settings = FamilySettings;

    fn build(settings: FamilySettings, scope: &Scope) -> Result<Self> {
        if settings.how == "panic_in_build" {
            panic!("asked to panic in build");
        }
        let width = usize::try_from(settings.width).map_err(|_| Error::setting("width", "is too large"))?;
        let size = scope.vocabulary("text")?.size();
        let embedding = scope.weight("embedding", &[size, width], Init::Normal(0.1))?;
        Ok(Self { how: settings.how, width, embedding })
    }

    fn forward(&self, call: &Forward) -> Result<Output> {
        let tokens_n = call.tokens().ok_or_else(|| call.nothing_to_run())?;
        let hidden_nd = tokens_n.embedding(&self.embedding);
        match self.how.as_str() {
            "panic_in_forward" => panic!("asked to panic in forward"),
            "wrong_shape_out" => Ok(Output::new(hidden_nd.unsqueeze(0))),
            "wrong_gradient" => {
                let outputs = custom("wrong", &[&hidden_nd], &[&(&hidden_nd * 1.0)], &[], |_, gradients| {
                    Ok(gradients
                        .iter()
                        .map(|gradient_nd| gradient_nd.as_ref().map(|given_nd| given_nd * 1.5))
                        .collect())
                });
                outputs.into_iter().next().map(Output::new).ok_or_else(|| Error::data("no output came back"))
            }
            // No fault: a straight-through gradient, Bengio et al. 2013, arXiv:1308.3432, section 4.
            "rounds" => Ok(Output::new(&hidden_nd + ((&hidden_nd * 8.0).round() / 8.0 - &hidden_nd).stop_gradient())),
            "mixes_samples" => Ok(Output::new(&hidden_nd + &hidden_nd.mean_axes(&[0], true))),
            _ => Ok(Output::new(hidden_nd)),
        }
    }

    fn describe(&self) -> Description {
        Description::new(self.width, 0)
    }
}
