//! A tokenizer of pictures by finite scalar quantisation: a few numbers for each patch, each rounded to one of a few levels.
//!
//! Mentzer et al. 2023, arXiv:2309.15505, section 3. There is no codebook to be learnt. Axes: b pictures, m patches of all, n numbers
//! of a patch, p features of a patch.

mod quantiser;

use plugin_api::nn::{PatchAutoencoder, PatchAutoencoderOptions};
use plugin_api::prelude::*;

pub use quantiser::Quantiser;

/// The `[model.ROLE]` section of an experiment file.
#[derive(Settings)]
pub struct FsqSettings {
    /// Levels of each number of a patch; their product is the number of codes.
    #[setting(default = [8, 6, 5], range = 2..=4096)]
    levels: Vec<usize>,
    /// Side of a patch in pixels; divides both sides of the pictures.
    #[setting(default = 16, range = 1..=4096)]
    patch_size: usize,
    /// Width of hidden states; a multiple of `num_heads` and of 4.
    #[setting(default = 256, range = 4..=65536)]
    width: usize,
    /// Blocks of the encoder, and as many of the decoder.
    #[setting(default = 4, range = 1..=1024)]
    num_layers: usize,
    /// Heads of a block.
    #[setting(default = 8, range = 1..=1024)]
    num_heads: usize,
}

/// One built tokenizer.
pub struct Fsq {
    quantiser: Quantiser,
    around: PatchAutoencoder,
}

impl ModelFamily for Fsq {
    type Settings = FsqSettings;

    fn build(settings: FsqSettings, scope: &Scope) -> Result<Self> {
        let FsqSettings { levels, patch_size, width, num_layers, num_heads } = settings;
        let latents = levels.len();
        let options = PatchAutoencoderOptions { width, num_layers, num_heads, patch_size, latents };
        Ok(Self {
            quantiser: Quantiser::new(levels)?,
            around: PatchAutoencoder::new(scope, scope.pictures()?, options)?,
        })
    }

    /// Hidden rows are the values of the codes `[m, n]`. `codes` are their numbers, i64 `[m]`; `reconstruction` the patches
    /// `[m, p]` that they stand for. In place of `pixels`, `latents` `[m, n]` are quantised, and `codes` only decoded.
    fn forward(&self, call: &Forward) -> Result<Output> {
        let layout = call.layout();
        let (values_mn, codes_m) = match (call.input("pixels")?, call.input("latents")?, call.input("codes")?) {
            (Some(pixels_bchw), None, None) => self.quantiser.apply(&self.around.encode(&pixels_bchw, layout)?)?,
            (None, Some(latents_mn), None) => self.quantiser.apply(&latents_mn)?,
            (None, None, Some(codes_m)) => (self.quantiser.values(&codes_m)?, codes_m),
            _ => return Err(call.nothing_to_run().help("give one of `pixels`, `latents` and `codes`")),
        };
        let mut output = Output::new(values_mn.clone());
        if call.wants("reconstruction") {
            output = output.with("reconstruction", self.around.decode(&values_mn, layout)?);
        }
        if call.wants("codes") {
            output = output.with("codes", codes_m);
        }
        Ok(output)
    }

    fn describe(&self) -> Description {
        Description::new(self.quantiser.latents(), 0)
            .with("modality", "image")
            .with("input", "pixels")
            .with("rows", self.around.patches())
            .with("class_token", false)
            .with("patch_size", self.around.patch_size())
            .with("codes", self.quantiser.codes())
    }
}

export_plugin! {
    name: "fsq",
    provides: [Model<Fsq>],
    exempt: [("reached", "codes alone need no decoder: its weights are reached where a reconstruction is asked for")],
}
