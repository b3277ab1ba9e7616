//! What the heads of a model look at: how far, and how differently from each other.
//!
//! Distance as in Dosovitskiy et al. 2020, arXiv:2010.11929, figure 7; diversity is 1 less the mean cosine of the maps of two heads.

use plugin_api::prelude::*;

use crate::relations::{heads, log_relations};
use crate::vision::{Vision, add_keys, layer};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct AttendedSettings {
    /// The layer whose heads are looked at; counted from the end where negative.
    #[setting(default = -1, range = -1024..=1023)]
    layer: i64,
    /// The role of a further model that the figures are compared with; left out, none.
    reference: Option<String>,
}

/// The evaluator: the role `encoder`, and another where one is named.
pub struct Attended {
    models: Vec<(Vision, usize)>,
    /// Distances in pixels between the patches `[t · t]`.
    distances: Vec<f32>,
}

impl Evaluator for Attended {
    type Settings = AttendedSettings;

    fn new(settings: AttendedSettings, scope: &Scope) -> Result<Self> {
        let roles = std::iter::once("encoder").chain(settings.reference.as_deref());
        let model = |role| {
            let model = Vision::new(scope, role)?;
            let at = layer("layer", settings.layer, model.layers)?;
            Ok((model, at))
        };
        let models = roles.map(model).collect::<Result<Vec<_>>>()?;
        let (first, Pictures { width, .. }) = (&models[0].0, scope.pictures()?);
        let (across, side) = (width / first.patch_size, first.patch_size as f32);
        let distance = |place: usize| {
            let (from, to) = (place / first.patches, place % first.patches);
            let apart = |a: usize, b: usize| a.abs_diff(b) as f32 * side;
            apart(from / across, to / across).hypot(apart(from % across, to % across))
        };
        let distances = (0..first.patches * first.patches).map(distance).collect();
        if let Some((other, _)) = models.get(1).filter(|(other, _)| other.patches != first.patches) {
            let fact = format!("the reference has {} patches, the encoder {}", other.patches, first.patches);
            return Err(Error::new("plugin/family", fact).help("choose the same `patch_size` for both"));
        }
        Ok(Self { models, distances })
    }

    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        add_keys(samples)
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let (pixels_bchw, keys_b) = (batch.tensor("image.pixels")?, batch.tensor("hybrid.keys")?);
        let mut loss = Loss::new();
        for ((model, at), whose) in self.models.iter().zip(["", "reference_"]) {
            let (distance_b, diversity_b) = self.of(model, *at, &pixels_bchw, &keys_b)?;
            loss = loss.item(&format!("{whose}distance"), &distance_b).item(&format!("{whose}diversity"), &diversity_b);
        }
        Ok(loss)
    }

    /// The means of `distance` in pixels and `diversity` of two heads; of the reference too where there is one, and how far the
    /// encoder's are from those: `distance_gap`, `diversity_gap`.
    fn figures(&self, _training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        let mean = |name: &str| -> Result<f64> {
            let all = held_out.numbers(name)?;
            Ok(all.iter().sum::<f64>() / all.len().max(1) as f64)
        };
        let mut figures = Vec::new();
        for name in ["distance", "diversity"] {
            let own = mean(name)?;
            figures.push((name.to_owned(), own));
            if self.models.len() > 1 {
                let other = mean(&format!("reference_{name}"))?;
                figures.push((format!("reference_{name}"), other));
                figures.push((format!("{name}_gap"), (own - other).abs()));
            }
        }
        Ok(figures)
    }
}

impl Attended {
    /// For each picture the mean distance of what patches look at, and the diversity of heads, both `[b]`. Of queries and keys alone,
    /// among patches: a bias of positions and the class token are left out.
    fn of(&self, model: &Vision, at: usize, pixels_bchw: &Tensor, keys_b: &Tensor) -> Result<(Tensor, Tensor)> {
        let (pictures, patches) = (keys_b.count()?, model.patches);
        let layout = model.layout(keys_b, patches)?;
        let [query, key, _] = Vision::parts(at);
        let pass = model.model.pass(&layout).workflow("image").input("pixels", pixels_bchw).want(&query).want(&key);
        let output = pass.run()?;
        let places_m = model.rows_of(&vec![(0..patches).collect(); pictures]);
        let part = |name: &str| heads(&output.get(name)?.cast(DType::F32), &places_m, pictures, model.heads);
        let maps_bhtt = log_relations(&part(&query)?, &part(&key)?)?.exp();
        let distances_tt = Tensor::new(&self.distances, &[patches, patches]);
        let distance_b = (&maps_bhtt * distances_tt).sum_axes(&[-1], false).mean_axes(&[1, 2], false);
        let unit_bhf = maps_bhtt.reshape(&[pictures as i64, model.heads as i64, -1]).normalized(1e-12);
        let cosines_bhh = unit_bhf.matmul(unit_bhf.transpose(-1, -2));
        let (all, pairs) = (model.heads as f64, (model.heads * (model.heads - 1)).max(1) as f64);
        // Each head is one with itself.
        let diversity_b = 1.0 - (cosines_bhh.sum_axes(&[1, 2], false) - all) / pairs;
        Ok((distance_b, diversity_b))
    }
}
