//! A tokenizer of pictures by vector quantisation: each patch takes the nearest vector of a codebook.
//!
//! van den Oord et al. 2017, arXiv:1711.00937. Axes: b pictures, m patches of all, n numbers of a patch, v codes, p features of a patch.

mod codebook;

use plugin_api::auxiliary;
use plugin_api::nn::{PatchAutoencoder, PatchAutoencoderOptions};
use plugin_api::prelude::*;

use codebook::Codebook;

/// The `[model.ROLE]` section of an experiment file.
#[derive(Settings)]
pub struct VqSettings {
    /// Vectors of the codebook.
    #[setting(default = 1024, range = 2..=1048576)]
    codes: usize,
    /// Numbers of a vector.
    #[setting(default = 16, range = 1..=4096)]
    code_width: usize,
    /// How vectors follow the patches that choose them: as averages over steps, or by gradients.
    #[setting(default = "average", choices = ["average", "gradient"])]
    codebook: String,
    /// Share of an average that each step keeps.
    #[setting(default = 0.99, range = 0.0..=0.99999)]
    decay: f64,
    /// An average of fewer patches in a step begins anew at a patch of the batch; 0 for never.
    #[setting(default = 0.0, range = 0.0..=1000000.0)]
    revive_below: f64,
    /// Weight of the mean squared distance that holds patches to their vectors.
    #[setting(default = 0.25, range = 0.0..=100.0)]
    commitment: f64,
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
pub struct Vq {
    codebook: Codebook,
    codes: usize,
    code_width: usize,
    commitment: f64,
    around: PatchAutoencoder,
}

impl ModelFamily for Vq {
    type Settings = VqSettings;

    fn build(settings: VqSettings, scope: &Scope) -> Result<Self> {
        let VqSettings { codes, code_width, patch_size, width, num_layers, num_heads, .. } = settings;
        let options = PatchAutoencoderOptions { width, num_layers, num_heads, patch_size, latents: code_width };
        let around = PatchAutoencoder::new(scope, scope.pictures()?, options)?;
        let codebook = if settings.codebook == "gradient" {
            let options = WeightOptions::new().no_decay().sometimes().axes("code,features");
            Codebook::Learned(scope.weight_with("codebook", &[codes, code_width], Init::Normal(1.0), &options)?)
        } else {
            Codebook::Average {
                counts: scope.buffer("counts", &[codes], Init::Ones, DType::F32)?,
                sums: scope.buffer("sums", &[codes, code_width], Init::Normal(1.0), DType::F32)?,
                decay: settings.decay,
                revive_below: settings.revive_below,
            }
        };
        Ok(Self { codebook, codes, code_width, commitment: settings.commitment, around })
    }

    /// Hidden rows are the vectors of the codes `[m, n]`. `codes` are their numbers `[m]`; `reconstruction` the patches `[m, p]`
    /// that they stand for; `latents` `[m, n]` what was quantised. In place of `pixels`, `latents` `[m, n]` are quantised, and `codes` only decoded.
    fn forward(&self, call: &Forward) -> Result<Output> {
        let layout = call.layout();
        let vectors_vn = self.codebook.vectors()?;
        let latents_mn = match (call.input("pixels")?, call.input("latents")?) {
            (Some(pixels_bchw), None) => Some(self.around.encode(&pixels_bchw, layout)?),
            (None, latents_mn) => latents_mn,
            _ => return Err(call.nothing_to_run().help("give one of `pixels`, `latents` and `codes`")),
        };
        let (values_mn, codes_m) = match (&latents_mn, call.input("codes")?) {
            (Some(latents_mn), None) => self.quantised(latents_mn, &vectors_vn, call.training())?,
            (None, Some(codes_m)) => (vectors_vn.index_select(0, &codes_m), codes_m),
            _ => return Err(call.nothing_to_run().help("give one of `pixels`, `latents` and `codes`")),
        };
        let mut output = Output::new(values_mn.clone());
        if call.wants("reconstruction") {
            output = output.with("reconstruction", self.around.decode(&values_mn, layout)?);
        }
        if call.wants("codes") {
            output = output.with("codes", codes_m);
        }
        if let Some(latents_mn) = latents_mn.filter(|_| call.wants("latents")) {
            output = output.with("latents", latents_mn);
        }
        Ok(output)
    }

    fn describe(&self) -> Description {
        Description::new(self.code_width, 0)
            .with("modality", "image")
            .with("input", "pixels")
            .with("rows", self.around.patches())
            .with("class_token", false)
            .with("patch_size", self.around.patch_size())
            .with("codes", self.codes)
    }
}

impl Vq {
    /// The vectors `[m, n]` with the gradient of what they stand for, and the codes `[m]`. In training patches are held to their
    /// vectors, and vectors follow.
    fn quantised(&self, latents_mn: &Tensor, vectors_vn: &Tensor, training: bool) -> Result<(Tensor, Tensor)> {
        // Averages are kept in f32 whatever is computed in.
        let vectors_vn = vectors_vn.cast(latents_mn.dtype()?);
        let codes_m = Codebook::codes(&latents_mn.stop_gradient(), &vectors_vn.stop_gradient());
        let chosen_mn = vectors_vn.index_select(0, &codes_m);
        if training {
            let count = Tensor::scalar(latents_mn.count()? as f32);
            let commitment = latents_mn.mse(chosen_mn.stop_gradient()).sum();
            auxiliary("commitment", self.commitment, &commitment, &count)?;
            if let Codebook::Learned(_) = self.codebook {
                auxiliary("codebook", 1.0, &chosen_mn.mse(latents_mn.stop_gradient()).sum(), &count)?;
            }
            self.codebook.follow(latents_mn, &codes_m)?;
        }
        Ok((latents_mn + (chosen_mn - latents_mn).stop_gradient(), codes_m))
    }
}

export_plugin! {
    name: "vq",
    provides: [Model<Vq>],
    exempt: [("reached", "codes alone need no decoder: its weights are reached where a reconstruction is asked for")],
}
