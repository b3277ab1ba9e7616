//! Masked autoencoders: encode a quarter of a picture's patches, predict the pixels of the others.
//!
//! He et al. 2021, arXiv:2111.06377. The patches that are shown, their places and the pixels to predict are cut out on the
//! data threads, so that the encoder sees nothing of the rest. Axes: b pictures, l patches of a picture, k of them shown,
//! c hidden ones of all pictures, n rows.

mod decoder;
pub mod masking;

use plugin_api::Json;
use plugin_api::prelude::*;

use decoder::Decoder;
use masking::{Grid, Shuffle};

/// The `[objective]` section of an experiment file.
#[derive(Settings)]
pub struct MaeSettings {
    /// Share of the patches that are hidden; of the others the count is rounded down.
    #[setting(default = 0.75, range = 0.01..=0.99)]
    mask_rate: f64,
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
        Ok(Self { norm_pix: settings.norm_pix, grid, kept, class_token, encoder, decoder })
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
        Ok(Loss::sum_over(&predicted_cp.mse(&targets_cp).mean_axes(&[-1], false)))
    }
}

impl Collate for Mae {
    fn collate(&self, samples: &Samples) -> Result<()> {
        let (pictures, patches, features) = (samples.len(), self.grid.patches(), self.grid.features());
        let (hidden_count, class_rows) = (patches - self.kept, usize::from(self.class_token));
        let (shown_rows, all_rows) = (self.kept + class_rows, patches + class_rows);
        let mask_token = (pictures * shown_rows) as i64;
        let mut shown = Vec::with_capacity(pictures * self.kept * features);
        let mut targets = Vec::with_capacity(pictures * hidden_count * features);
        let (mut positions, mut unshuffle, mut hidden, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for sample in samples.iter() {
            let pixels = sample.f32s("image.pixels")?;
            let shuffle = Shuffle::new(&sample.uniforms("mask", patches)?, self.kept);
            let (first_shown, first_row) = (sample.index() * shown_rows, sample.index() * all_rows);
            for &patch in shuffle.shown() {
                self.grid.append_patch(pixels, patch, &mut shown);
                positions.push(patch as i64);
            }
            for &patch in shuffle.hidden() {
                let start = targets.len();
                self.grid.append_patch(pixels, patch, &mut targets);
                if self.norm_pix {
                    masking::normalise(&mut targets[start..]);
                }
                hidden.push((first_row + class_rows + patch) as i64);
            }
            unshuffle.extend((0..class_rows).map(|row| (first_shown + row) as i64));
            unshuffle.extend(
                shuffle.restore.iter().map(|&place| {
                    if place < self.kept { (first_shown + class_rows + place) as i64 } else { mask_token }
                }),
            );
            // Dropout goes by a key that belongs to the picture, whatever else is in the batch.
            keys.push((sample.uniforms("key", 1)?[0] * (1_u64 << 52) as f64) as i64);
        }
        samples.add_shaped("mae.patches", &shown, &[pictures * self.kept, features])?;
        samples.add("mae.positions", &positions)?;
        samples.add_shaped("mae.targets", &targets, &[pictures * hidden_count, features])?;
        samples.add("mae.unshuffle", &unshuffle)?;
        samples.add("mae.hidden", &hidden)?;
        samples.add("mae.keys", &keys)?;
        samples.add("mae.shown_rows", &vec![shown_rows as u32; pictures])?;
        samples.add("mae.all_rows", &vec![all_rows as u32; pictures])
    }
}

export_plugin! { name: "mae", provides: [Objective<Mae>, Collate<Mae>] }
