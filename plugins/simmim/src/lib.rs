//! SimMIM: hide units of patches behind a learned vector, predict their pixels by one linear layer.
//!
//! Xie et al. 2021, arXiv:2111.09886. The encoder sees all patches, hidden ones as its mask token. Axes: b pictures, l patches of a
//! picture, m patches of all, c predicted ones, n rows, d width.

pub mod masking;
mod mto;

use plugin_api::Json;
use plugin_api::prelude::*;

use masking::Units;
use mto::Mto;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct SimmimSettings {
    /// Share of the units that are hidden; their count is rounded up.
    #[setting(default = 0.6, range = 0.01..=1.0)]
    mask_rate: f64,
    /// Side of a unit in pixels: a multiple of the encoder's patches, and a divisor of both sides of the pictures.
    #[setting(default = 32, range = 1..=4096)]
    mask_size: usize,
    /// Which pixels are predicted: those that are hidden, or all.
    #[setting(default = "masked", choices = ["masked", "all"])]
    predict: String,
    /// Weight of the mean |cosine| between mask tokens and visible patches where they enter the first layer (masked token
    /// optimisation, Choi et al. 2024, arXiv:2404.08330).
    #[setting(default = 0.0, range = 0.0..=100.0)]
    mto_sparsity: f64,
    /// Weight of 1 less the heterogeneity there: the entropy of what a mask token is near to, over its most.
    #[setting(default = 0.0, range = 0.0..=100.0)]
    mto_entropy: f64,
    /// Weight of the distance in mean and deviation between hidden and visible patches behind the last layer.
    #[setting(default = 0.0, range = 0.0..=100.0)]
    mto_approach: f64,
    /// Layers, from the first, in which hidden patches count exp(−mean |cosine| / temperature) as much as keys.
    #[setting(default = 0, range = 0..=1024)]
    mto_layers: usize,
    /// Temperature of entropy and keys.
    #[setting(default = 0.1, range = 0.001..=100.0)]
    mto_temperature: f64,
    /// Report the heterogeneity of every layer on held-out pictures.
    #[setting(default = false)]
    mto_report: bool,
}

/// The objective.
pub struct Simmim {
    units: Units,
    hidden: usize,
    predict_all: bool,
    pictures: Pictures,
    patch_size: usize,
    class_rows: usize,
    mto: Option<Mto>,
    encoder: Model,
    head: Head,
}

impl Objective for Simmim {
    type Settings = SimmimSettings;

    fn new(settings: SimmimSettings, scope: &Scope) -> Result<Self> {
        let pictures = scope.pictures()?;
        let encoder = scope.model("encoder")?;
        let described = encoder.describe()?;
        let size = described.get("patch_size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
        let flag = |name: &str| described.get(name).and_then(Json::as_bool);
        let (Some(patch_size), Some(class_token)) = (size, flag("class_token")) else {
            let fact = "the model `encoder` does not say how it cuts pictures into patches";
            return Err(Error::new("plugin/family", fact).help("choose a family for pictures: `family = \"vit\"`"));
        };
        if flag("mask_token") != Some(true) {
            let fact = "the model `encoder` has no vector that stands in for hidden patches";
            return Err(Error::new("plugin/family", fact).help("set `mask_token = true` in `[model.encoder]`"));
        }
        let Pictures { height, width, channels } = pictures;
        let mask_size = settings.mask_size;
        if !mask_size.is_multiple_of(patch_size)
            || !height.is_multiple_of(mask_size)
            || !width.is_multiple_of(mask_size)
        {
            let fact =
                format!("is {mask_size}, with patches of {patch_size} and pictures of {height} × {width} pixels");
            return Err(Error::setting("mask_size", fact)
                .help("choose a multiple of the patch that divides both sides of the pictures"));
        }
        let units = Units { rows: height / mask_size, columns: width / mask_size, side: mask_size / patch_size };
        let (hidden, class_rows) = (units.hidden(settings.mask_rate), usize::from(class_token));
        let (patches, of_unit) = (units.count() * units.side.pow(2), units.side.pow(2));
        Ok(Self {
            mto: Mto::new(&settings, described.num_layers, class_rows, [hidden * of_unit, patches])?,
            hidden,
            predict_all: settings.predict == "all",
            head: encoder.head(scope, HeadKind::Values(patch_size * patch_size * channels))?,
            class_rows,
            units,
            pictures,
            patch_size,
            encoder,
        })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let layout = Layout::with_keys(&batch.tensor("simmim.rows")?, &batch.tensor("simmim.keys")?);
        let (pixels_bchw, masked_m) = (batch.tensor("image.pixels")?, batch.tensor("simmim.masked")?);
        let (hidden_nd, asked) = match &self.mto {
            Some(mto) => mto.encode(&self.encoder, &layout, &pixels_bchw, &masked_m)?,
            None => {
                let pass = self.encoder.pass(&layout).workflow("image").input("pixels", &pixels_bchw);
                (pass.input("masked", &masked_m).run()?.hidden().clone(), Loss::new())
            }
        };
        // No loss looks at the other rows.
        let predicted_cp = self.head.apply(&hidden_nd.index_select(0, batch.tensor("simmim.predicted")?))?;
        let targets_cp = batch.tensor("simmim.targets")?.cast(predicted_cp.dtype()?);
        let loss = asked.and("loss", 1.0, &predicted_cp.l1(&targets_cp).mean_axes(&[-1], false));
        if training() {
            return Ok(loss);
        }
        let [shown, predicted] =
            self.shown(&pixels_bchw, &masked_m, &batch.tensor("simmim.predicted")?, &predicted_cp)?;
        Ok(loss.pictures(
            "as it is, what is shown, with what is predicted",
            &[&pixels_bchw.cast(DType::F32), &shown, &predicted],
        ))
    }
}

impl Simmim {
    /// Pictures with hidden patches grey, and with what is predicted.
    fn shown(
        &self,
        pixels_bchw: &Tensor,
        masked_m: &Tensor,
        rows_c: &Tensor,
        predicted_cp: &Tensor,
    ) -> Result<[Tensor; 2]> {
        let (Pictures { height, width, channels }, size) = (self.pictures, self.patch_size as i64);
        let patches_mp = nn::patches(pixels_bchw, [channels, height, width], self.patch_size).cast(DType::F32);
        let shown_mp = patches_mp.fill_where(masked_m.unsqueeze(-1), 0.0);
        let rows = self.units.count() * self.units.side.pow(2) + self.class_rows;
        let places_c = nn::patches_of_rows(rows_c, rows, self.class_rows)?;
        // Predicted pixels go by channel, patches by row and column first.
        let ordered_cp = predicted_cp.reshape(&[-1, channels as i64, size, size]).permute(&[0, 2, 3, 1]);
        let ordered_cp = ordered_cp.reshape(&[-1, size * size * channels as i64]);
        let whole = |patches_mp: &Tensor| nn::pictures(patches_mp, [channels, height, width], self.patch_size);
        Ok([whole(&shown_mp), whole(&nn::replaced(&patches_mp, &places_c, &ordered_cp))])
    }
}

impl Collate for Simmim {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let Pictures { height, width, channels } = self.pictures;
        let patches = self.units.count() * self.units.side.pow(2);
        let rows = patches + self.class_rows;
        let (mut masked, mut predicted, mut targets, mut keys) =
            (Vec::new(), Vec::<i64>::new(), Vec::new(), Vec::new());
        for sample in samples.iter() {
            let pixels = sample.f32s("image.pixels")?;
            let hidden = self.units.masked(&sample.uniforms("mask", self.units.count())?, self.hidden);
            for (patch, _) in hidden.iter().enumerate().filter(|(_, hidden)| self.predict_all || **hidden) {
                predicted.push((sample.index() * rows + self.class_rows + patch) as i64);
                masking::append_patch(pixels, [channels, height, width], self.patch_size, patch, &mut targets);
            }
            masked.extend(hidden);
            // Dropout goes by a key that belongs to the picture, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        let features = self.patch_size * self.patch_size * channels;
        samples.add("simmim.masked", &masked)?;
        samples.add("simmim.predicted", &predicted)?;
        samples.add_shaped("simmim.targets", &targets, &[predicted.len(), features])?;
        samples.add("simmim.keys", &keys)?;
        samples.add("simmim.rows", &vec![rows as u32; samples.len()])
    }
}

export_plugin! { name: "simmim", provides: [Objective<Simmim>, Collate<Simmim>] }
