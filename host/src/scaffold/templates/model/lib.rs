//! {{name}}: every token sees itself and the mean of its sample.
//!
//! A family in its smallest form: an embedding, then layers of one network each that gets the token beside the mean of all
//! tokens of its sample. Axes: n tokens of the batch, b samples, d width.
use plugin_api::prelude::*;

/// The `[model.<role>]` section of an experiment.
#[derive(Settings)]
pub struct {{Type}}Settings {
    /// Width of the hidden rows.
    #[setting(default = 64, range = 1..=4096)]
    width: usize,
    /// Number of layers.
    #[setting(default = 2, range = 1..=100)]
    num_layers: usize,
}

struct Layer {
    norm: Weight,
    token: Weight,
    context: Weight,
    output: Weight,
}

/// The model. `plugin_api::nn` has ready layers; this one is made of bare weights to show what they are.
pub struct {{Type}} {
    width: usize,
    embedding: Weight,
    layers: Vec<Layer>,
}

impl ModelFamily for {{Type}} {
    type Settings = {{Type}}Settings;

    fn build(settings: {{Type}}Settings, scope: &Scope) -> Result<Self> {
        let width = settings.width;
        let layer = |index: usize| {
            let scope = scope.at(&format!("layers.{index}"));
            let square = |name: &str| scope.weight(name, &[width, width], Init::XavierUniform);
            let norm = scope.weight("norm", &[width], Init::Ones)?;
            Ok(Layer { norm, token: square("token")?, context: square("context")?, output: square("output")? })
        };
        Ok(Self {
            width,
            embedding: scope.weight("embedding", &[scope.vocabulary("text")?.size(), width], Init::Normal(0.5))?,
            layers: (0..settings.num_layers).map(layer).collect::<Result<_>>()?,
        })
    }

    fn forward(&self, call: &Forward) -> Result<Output> {
        let embedded = call.embeddings().or_else(|| call.tokens().map(|tokens_n| tokens_n.embedding(&self.embedding)));
        let mut hidden_nd = call.hidden().or(embedded).ok_or_else(|| call.nothing_to_run())?;
        for index in call.layers(self.layers.len()) {
            let layer = &self.layers[index];
            let normed_nd = hidden_nd.layer_norm(Some(&layer.norm), None, 1e-5);
            let context_bd = call.layout().mean(&normed_nd).linear(&layer.context, None, None);
            let context_nd = context_bd.index_select(0, call.layout().segments());
            let inner_nd = (normed_nd.linear(&layer.token, None, None) + context_nd).gelu();
            let output_nd = &hidden_nd + inner_nd.linear(&layer.output, None, None);
            hidden_nd = site(&format!("layers.{index}.output"), &output_nd);
        }
        Ok(Output::new(hidden_nd))
    }

    fn describe(&self) -> Description {
        Description::new(self.width, self.layers.len())
    }
}

export_plugin! { name: "{{name}}", provides: [Model<{{Type}}>] }
