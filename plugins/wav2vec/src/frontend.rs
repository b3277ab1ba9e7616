//! From waves to rows: strided convolutions without padding, and a projection.
//!
//! Baevski et al. 2020, arXiv:2006.11477, section 2. Axes: b sounds, s samples, m numbers of a sample, c channels, t places in time, n
//! rows.

use plugin_api::nn::{Norm, NormKind};
use plugin_api::prelude::*;

use crate::settings::Wav2VecSettings;

/// The convolutions of the front end.
pub(crate) struct Frontend {
    layers: Vec<Layer>,
    hop: usize,
    field: usize,
}

struct Layer {
    weight: Weight,
    bias: Option<Weight>,
    norm: LayerNormed,
    kernel: usize,
    stride: usize,
}

enum LayerNormed {
    None,
    /// Each channel over the places of a sound.
    Channels {
        weight: Weight,
        bias: Weight,
        epsilon: f64,
    },
    /// Each place over the channels.
    Places(Norm),
}

impl Frontend {
    pub(crate) fn new(settings: &Wav2VecSettings, bins: usize, scope: &Scope) -> Result<Self> {
        let channels = settings.channels;
        let layer = |(index, (kernel, stride)): (usize, (&usize, &usize))| {
            let scope = scope.at(&format!("conv_layers.{index}"));
            let inner = if index == 0 { bins } else { channels };
            let conv = scope.at("conv");
            let weight = conv.weight("weight", &[channels, inner, *kernel], Init::KaimingUniform)?;
            let bias = settings.conv_bias.then(|| conv.weight("bias", &[channels], Init::Zeros)).transpose()?;
            let at = scope.at("layer_norm");
            let norm = match (settings.conv_norm.as_str(), index) {
                ("layer", _) => LayerNormed::Places(Norm::new(&at, channels, NormKind::Layer, 1e-5)?),
                (_, 0) => LayerNormed::Channels {
                    weight: at.weight("weight", &[channels], Init::Ones)?,
                    bias: at.weight("bias", &[channels], Init::Zeros)?,
                    epsilon: 1e-5,
                },
                _ => LayerNormed::None,
            };
            Ok(Layer { weight, bias, norm, kernel: *kernel, stride: *stride })
        };
        let layers = settings.kernels.iter().zip(&settings.strides).enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, hop: settings.hop(), field: settings.field() })
    }

    /// Rows `[n, c]` of waves `[b, s, m]`. The layout says how many rows a sound has; what its last row lacks is silence, and
    /// what stands behind changes nothing.
    pub(crate) fn apply(&self, waves_bsm: &Tensor, layout: &Layout) -> Result<Tensor> {
        let dims = waves_bsm.dims()?;
        let [_, given, _] = dims[..] else {
            return Err(Error::data(format!("`features` have the shape {dims:?}, not [sounds, samples, numbers]")));
        };
        let rows: Vec<usize> = layout.lengths().to_vec::<u32>()?.into_iter().map(|rows| rows as usize).collect();
        let most = rows.iter().copied().max().unwrap_or(0);
        let needed = most.saturating_sub(1) * self.hop + self.field;
        let waves_bsm = waves_bsm.cast(self.layers[0].weight.tensor().dtype()?);
        let mut x_bct = waves_bsm.pad(1, 0, needed.saturating_sub(given), 0.0).transpose(1, 2).contiguous();
        // The samples of each sound: all that were given, less the rows that it lacks; at least what its own rows look at.
        let own = rows.iter().map(|rows| {
            (given.saturating_sub((most - rows) * self.hop)).max(rows.saturating_sub(1) * self.hop + self.field)
        });
        let own: Vec<usize> = own.collect();
        for layer in &self.layers {
            x_bct = layer.apply(&x_bct, &own)?;
        }
        Ok(layout.rows(x_bct.narrow(2, 0, most).transpose(1, 2).contiguous()))
    }
}

impl Layer {
    /// `own` are the samples of each sound where this is the first layer.
    fn apply(&self, x_bct: &Tensor, own: &[usize]) -> Result<Tensor> {
        let options = Conv { stride: self.stride, ..Conv::default() };
        let x_bct = x_bct.conv1d(&self.weight, self.bias.as_ref(), options);
        let normed_bct = match &self.norm {
            LayerNormed::None => x_bct,
            LayerNormed::Places(norm) => norm.apply(&x_bct.transpose(1, 2).contiguous()).transpose(1, 2).contiguous(),
            LayerNormed::Channels { weight, bias, epsilon } => {
                let places = x_bct.dim(2)?;
                let own: Vec<usize> =
                    own.iter().map(|samples| ((samples - self.kernel) / self.stride + 1).min(places)).collect();
                if own.iter().all(|own| *own == places) {
                    x_bct.group_norm(own_channels(&x_bct)?, Some(weight), Some(bias), *epsilon)
                } else {
                    normed(&x_bct, &own, *epsilon)? * weight.tensor().reshape(&[1, -1, 1])
                        + bias.tensor().reshape(&[1, -1, 1])
                }
            }
        };
        Ok(normed_bct.gelu())
    }
}

fn own_channels(x_bct: &Tensor) -> Result<usize> {
    x_bct.dim(1)
}

/// Each channel of a sound to mean 0 and variance 1 over the places that are the sound's own.
fn normed(x_bct: &Tensor, own: &[usize], epsilon: f64) -> Result<Tensor> {
    let (places, sounds) = (x_bct.dim(2)?, own.len());
    let real: Vec<f64> =
        own.iter().flat_map(|own| (0..places).map(move |place| f64::from(u8::from(place < *own)))).collect();
    let counts: Vec<f64> = own.iter().map(|own| *own as f64).collect();
    let dtype = x_bct.dtype()?;
    let real_b1t = Tensor::new(&real, &[sounds, 1, places]).cast(dtype);
    let counts_b11 = Tensor::new(&counts, &[sounds, 1, 1]).cast(dtype);
    let centred_bct = x_bct - (x_bct * &real_b1t).sum_axes(&[2], true) / &counts_b11;
    let variances_bc1 = (centred_bct.square() * &real_b1t).sum_axes(&[2], true) / &counts_b11;
    Ok(centred_bct * (variances_bc1 + epsilon).rsqrt())
}
