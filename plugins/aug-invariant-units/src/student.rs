//! The network that tells units: three layers over what a model makes of the sound.

use plugin_api::nn::{Linear, LinearOptions};
use plugin_api::prelude::*;

use crate::units_of;

/// The `[model.ROLE]` section of an experiment file.
#[derive(Settings, Clone)]
pub struct StudentSettings {
    /// The role of the model that hears the sound; `frozen = true` keeps it as it is.
    #[setting(default = "encoder")]
    role: String,
    /// Its layer that is read: 0 the embeddings, k the output of block k. Left out: its end.
    layer: Option<usize>,
    /// Width of the layers between.
    #[setting(default = 256, range = 1..=65536)]
    width: usize,
    /// Slope below 0 of the function between layers.
    #[setting(default = 0.01, range = 0.0..=1.0)]
    slope: f64,
}

/// One built network with the model that it hears through.
pub struct Student {
    encoder: Model,
    layer: Option<usize>,
    layers: [Linear; 3],
    slope: f64,
    units: usize,
    rows: usize,
}

impl ModelFamily for Student {
    type Settings = StudentSettings;

    fn build(settings: StudentSettings, scope: &Scope) -> Result<Self> {
        let sounds = scope.sounds()?;
        let (units, encoder) = (units_of(&sounds)?, scope.model(&settings.role)?);
        let described = encoder.describe()?;
        if let Some(layer) = settings.layer.filter(|layer| *layer > described.num_layers) {
            let fact = format!("is {layer}, and the model `{}` has {} layers", settings.role, described.num_layers);
            return Err(
                Error::setting("layer", fact).help("choose a layer that it has, or leave `layer` out for its end")
            );
        }
        let linear = |name: &str, inputs, outputs| {
            Linear::new(&scope.at(name), inputs, outputs, &LinearOptions::new().init(Init::KaimingUniform))
        };
        let (inner, width) = (described.width, settings.width);
        Ok(Self {
            layers: [
                linear("layers.0", inner, width)?,
                linear("layers.1", width, width)?,
                linear("output", width, units + 1)?,
            ],
            layer: settings.layer,
            slope: settings.slope,
            rows: sounds.frames / sounds.frames_per_unit,
            encoder,
            units,
        })
    }

    /// Hidden rows are logits `[n, v]`, the blank last. `codes` is the likeliest of each row `[n]`.
    fn forward(&self, call: &Forward) -> Result<Output> {
        let Some(features_bfm) = call.input("features")? else {
            return Err(call.nothing_to_run().help("give `features`"));
        };
        let pass = self.encoder.pass(call.layout()).input("features", &features_bfm);
        let pass = match self.layer {
            Some(layer) => pass.layers(0..layer),
            None => pass,
        };
        let [first, second, output] = &self.layers;
        let rows_nd = first.apply(pass.run()?.hidden()).leaky_relu(self.slope);
        let rows_nd = second.apply(&rows_nd).leaky_relu(self.slope);
        let logits_nv = output.apply(&rows_nd);
        let codes = call.wants("codes").then(|| logits_nv.argmax(-1));
        let result = Output::new(logits_nv);
        Ok(codes.into_iter().fold(result, |result, codes_n| result.with("codes", codes_n)))
    }

    fn describe(&self) -> Description {
        Description::new(self.units + 1, 0)
            .with("modality", "audio")
            .with("input", "features")
            .with("rows", self.rows)
            .with("codes", self.units)
            .with("blank", self.units)
    }
}
