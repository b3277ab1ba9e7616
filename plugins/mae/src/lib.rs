//! Masked autoencoders: encode a quarter of a picture's patches, predict the pixels of the others.
//!
//! He et al. 2021, arXiv:2111.06377. The patches that are shown, their places and the pixels to predict are cut out on the
//! data threads, so that the encoder sees nothing of the rest. Axes: b pictures, l patches of a picture, k of them shown,
//! c hidden ones of all pictures, n rows.

pub mod columns;
mod decoder;
pub mod masking;
pub mod noise;

use plugin_api::Json;
use plugin_api::prelude::*;

use columns::Columns;
use decoder::Decoder;
use masking::{Grid, Shuffle};
use noise::Color;

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct MaeSettings {
    /// Share of the patches that are hidden; of the others the count is rounded down.
    #[setting(default = 0.75, range = 0.01..=0.99)]
    mask_rate: f64,
    /// What decides which patches are hidden: chance alone, or the order of filtered noise: `red` hides in large clusters,
    /// `green` in small ones, `blue` and `purple` scatter (Hinojosa et al. 2024, arXiv:2407.13036).
    #[setting(default = "random", choices = ["random", "red", "green", "blue", "purple"])]
    mask: String,
    /// Predict each patch less its mean, divided by its standard deviation.
    #[setting(default = false)]
    norm_pix: bool,
    /// Width of the decoder.
    #[setting(default = 512, range = 4..=65536)]
    decoder_width: usize,
    /// Blocks of the decoder.
    #[setting(default = 8, range = 1..=1024)]
    decoder_layers: usize,
    /// Heads of the decoder.
    #[setting(default = 16, range = 1..=1024)]
    decoder_heads: usize,
}

/// The objective.
pub struct Mae {
    norm_pix: bool,
    color: Option<Color>,
    grid: Grid,
    kept: usize,
    class_token: bool,
    encoder: Model,
    decoder: Decoder,
}

impl Objective for Mae {
    type Settings = MaeSettings;

    fn new(settings: MaeSettings, scope: &Scope) -> Result<Self> {
        let Pictures { height, width, channels } = scope.pictures()?;
        let encoder = scope.model("encoder")?;
        let described = encoder.describe()?;
        let size = described.get("patch_size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
        let (Some(size), Some(class_token)) = (size, described.get("class_token").and_then(Json::as_bool)) else {
            return Err(Error::new(
                "plugin/family",
                "the model `encoder` does not say how it cuts pictures into patches",
            )
            .help("choose a family for pictures: `family = \"vit\"`"));
        };
        let grid = Grid { channels, rows: height / size, columns: width / size, size };
        let kept = grid.kept(settings.mask_rate);
        if kept == 0 {
            let fact = format!("is {}, which leaves none of {} patches", settings.mask_rate, grid.patches());
            return Err(Error::setting("mask_rate", fact).help("lower it, or choose smaller patches"));
        }
        let decoder = Decoder::new(&settings, described.width, grid, class_token, scope)?;
        let color = Color::from_name(&settings.mask);
        Ok(Self { norm_pix: settings.norm_pix, color, grid, kept, class_token, encoder, decoder })
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        let keys_b = batch.tensor("mae.keys")?;
        let shown = Layout::with_keys(&batch.tensor("mae.shown_rows")?, &keys_b);
        let all = Layout::with_keys(&batch.tensor("mae.all_rows")?, &keys_b);
        let (patches_mp, positions_m) = (batch.tensor("mae.patches")?, batch.tensor("mae.positions")?);
        let pass = self.encoder.pass(&shown).workflow("image");
        let encoded_md = pass.input("patches", &patches_mp).input("positions", &positions_m).run()?.hidden().clone();
        let (unshuffle_n, hidden_c) = (batch.tensor("mae.unshuffle")?, batch.tensor("mae.hidden")?);
        let predicted_cp = self.decoder.apply(&encoded_md, &unshuffle_n, &hidden_c, &all)?;
        let targets_cp = batch.tensor("mae.targets")?.cast(predicted_cp.dtype()?);
        let loss = Loss::sum_over(&predicted_cp.mse(&targets_cp).mean_axes(&[-1], false));
        if training() {
            return Ok(loss);
        }
        let [real, shown, predicted] = self.shown(batch, &hidden_c, &predicted_cp)?;
        Ok(loss.pictures("as it is, what is shown, with what is predicted", &[&real, &shown, &predicted]))
    }
}

impl Mae {
    /// Pictures as they are, with hidden patches grey, and with what is predicted for these.
    fn shown(&self, batch: &Batch, hidden_c: &Tensor, predicted_cp: &Tensor) -> Result<[Tensor; 3]> {
        let Grid { channels, rows, columns, size } = self.grid;
        let dims = [channels, rows * size, columns * size];
        let pixels_bchw = batch.tensor("image.pixels")?;
        let patches_mp = nn::patches(&pixels_bchw, dims, size);
        let class_rows = usize::from(self.class_token);
        let places_c = nn::patches_of_rows(hidden_c, self.grid.patches() + class_rows, class_rows)?;
        let mut predicted_cp = predicted_cp.cast(DType::F32);
        if self.norm_pix {
            // The scale is the patch's own, which the model does not know.
            let own_cp = patches_mp.index_select(0, &places_c);
            let scale_c1 = (own_cp.variance(&[-1], true, true) + masking::EPSILON).sqrt();
            predicted_cp = predicted_cp * scale_c1 + own_cp.mean_axes(&[-1], true);
        }
        let with = |patches_cp: &Tensor| nn::pictures(&nn::replaced(&patches_mp, &places_c, patches_cp), dims, size);
        Ok([pixels_bchw.cast(DType::F32), with(&(&predicted_cp * 0.0)), with(&predicted_cp)])
    }

    /// What the patches of a picture are ordered by: the first are shown.
    fn order(&self, sample: &Sample<'_>) -> Result<Vec<f64>> {
        let patches = self.grid.patches();
        let Some(color) = self.color else { return sample.uniforms("mask", patches) };
        let white = noise::normals(&sample.uniforms("noise", 2 * patches)?);
        let field = color.of(&white, self.grid.rows, self.grid.columns);
        // The largest values are shown.
        Ok(field.into_iter().map(|value| -value).collect())
    }
}

impl Collate for Mae {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let pictures = samples.len();
        let mut columns = Columns::new(self.grid, self.kept, self.class_token, self.norm_pix, pictures);
        let mut keys = Vec::with_capacity(pictures);
        for sample in samples.iter() {
            let shuffle = Shuffle::new(&self.order(&sample)?, self.kept);
            columns.push(sample.f32s("image.pixels")?, &shuffle);
            // Dropout goes by a key that belongs to the picture, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        let features = self.grid.features();
        let [shown_rows, all_rows] = columns.rows();
        samples.add_shaped("mae.patches", &columns.shown, &[columns.positions.len(), features])?;
        samples.add("mae.positions", &columns.positions)?;
        samples.add_shaped("mae.targets", &columns.targets, &[columns.hidden.len(), features])?;
        samples.add("mae.unshuffle", &columns.unshuffle)?;
        samples.add("mae.hidden", &columns.hidden)?;
        samples.add("mae.keys", &keys)?;
        samples.add("mae.shown_rows", &vec![shown_rows as u32; pictures])?;
        samples.add("mae.all_rows", &vec![all_rows as u32; pictures])
    }
}

export_plugin! { name: "mae", provides: [Objective<Mae>, Collate<Mae>] }
