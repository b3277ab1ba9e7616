//! Masked prediction of speech units: hide spans of rows, predict their units.
//!
//! Hsu et al. 2021, arXiv:2106.07447, section III. The units come with the data. Axes: n rows, c chosen rows, d width, e width
//! of the units' vectors, v units.

use plugin_api::nn::UnitHead;
use plugin_api::prelude::*;
use plugin_api::spans;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct HubertSettings {
    /// Probability that a span begins at a row.
    #[setting(default = 0.08, range = 0.001..=1.0)]
    start_probability: f64,
    /// Rows of a span.
    #[setting(default = 10, range = 1..=10000)]
    span: usize,
    /// How a row is compared with a unit: the cosine of their angle by `temperature`, or a linear layer.
    #[setting(default = "cosine", choices = ["cosine", "linear"])]
    logits: String,
    /// What cosines are divided by.
    #[setting(default = 0.1, range = 0.001..=10.0)]
    temperature: f64,
    /// Width in which rows and units are compared by angle.
    #[setting(default = 256, range = 1..=65536)]
    unit_width: usize,
    /// Weight of the loss on rows that were not hidden.
    #[setting(default = 0.0, range = 0.0..=1.0)]
    unmasked_weight: f64,
}

/// The objective.
pub struct Hubert {
    settings: HubertSettings,
    encoder: Model,
    mask: Weight,
    units: UnitHead,
}

impl Objective for Hubert {
    type Settings = HubertSettings;

    fn new(settings: HubertSettings, scope: &Scope) -> Result<Self> {
        let units = scope.sounds()?.units;
        if units == 0 {
            return Err(Error::data("the sounds have no units").help("find some: `data.audio.units = 100`"));
        }
        let encoder = scope.model("encoder")?;
        let width = encoder.describe()?.width;
        Ok(Self {
            mask: scope.weight_with("mask", &[1, width], Init::Uniform(1.0), &WeightOptions::new().no_decay())?,
            units: if settings.logits == "linear" {
                UnitHead::linear(scope, width, units)?
            } else {
                UnitHead::cosine(scope, width, settings.unit_width, units, settings.temperature)?
            },
            settings,
            encoder,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let layout = batch.layout("audio")?;
        let features_bfm = batch.tensor("audio.features")?;
        // What the convolutions give of hidden rows is replaced before the first block sees it.
        let rows_nd = self.encoder.pass(&layout).input("features", &features_bfm).layers(0..0).run()?.hidden().clone();
        let hidden_n1 = batch.tensor("hubert.hidden")?.unsqueeze(1);
        let shown_nd = rows_nd.take_where(&hidden_n1, self.mask.tensor());
        let output_nd = self.encoder.pass(&layout).embeddings(&shown_nd).run()?.hidden().clone();
        let units_n = batch.tensor("audio.units")?;
        let of = |rows: &str| -> Result<(Tensor, Tensor)> {
            let rows_c = batch.tensor(rows)?;
            let logits_cv = self.units.apply(&output_nd.index_select(0, &rows_c));
            Ok((logits_cv, units_n.index_select(0, &rows_c)))
        };
        let (logits_cv, units_c) = of("hubert.masked")?;
        let accuracy_c = logits_cv.argmax(-1).eq(&units_c);
        let mut loss = Loss::sum_over(&logits_cv.cross_entropy(&units_c));
        if self.settings.unmasked_weight > 0.0 {
            let (logits_cv, units_c) = of("hubert.unmasked")?;
            loss = loss.and("unmasked", self.settings.unmasked_weight, &logits_cv.cross_entropy(&units_c));
        }
        Ok(loss.metric("accuracy", &accuracy_c))
    }
}

impl Collate for Hubert {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let HubertSettings { start_probability, span, unmasked_weight, .. } = self.settings;
        let (mut hidden, mut masked, mut unmasked) = (Vec::new(), Vec::<i64>::new(), Vec::<i64>::new());
        for sample in samples.iter() {
            let rows = sample.u32s("audio.units")?.len();
            let first_row = sample.first_row("audio")?;
            let chosen = spans::hidden(&sample.uniforms("spans", rows)?, start_probability, span);
            for (row, chosen) in chosen.iter().enumerate() {
                if *chosen { &mut masked } else { &mut unmasked }.push((first_row + row) as i64);
            }
            hidden.extend(chosen);
        }
        samples.add("hubert.hidden", &hidden)?;
        samples.add("hubert.masked", &masked)?;
        if unmasked_weight > 0.0 { samples.add("hubert.unmasked", &unmasked) } else { Ok(()) }
    }
}

export_plugin! { name: "hubert", provides: [Objective<Hubert>, Collate<Hubert>] }
