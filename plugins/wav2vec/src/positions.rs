//! Positions by a wide convolution over rows, whose kernel is kept as directions and lengths.
//!
//! Baevski et al. 2020, arXiv:2006.11477, section 2, after Mohamed et al. 2019, arXiv:1904.11660; weight normalisation of
//! Salimans and Kingma 2016, arXiv:1602.07868, one length for each place of the kernel. Axes: b sounds, t rows of a sound, n rows, d
//! width.

use plugin_api::prelude::*;

use crate::settings::Wav2VecSettings;

/// The convolution.
pub(crate) struct Positions {
    /// `[1, 1, kernel]`.
    lengths: Weight,
    /// `[width, width / groups, kernel]`.
    directions: Weight,
    bias: Weight,
    kernel: usize,
    groups: usize,
}

impl Positions {
    pub(crate) fn new(settings: &Wav2VecSettings, scope: &Scope) -> Result<Self> {
        let Wav2VecSettings { width, position_kernel: kernel, position_groups: groups, .. } = *settings;
        let inner = width / groups;
        // As the kernel's own length is then, at the start: normal with deviation √(4 / (kernel · width)).
        let deviation = (4.0 / (kernel * width) as f64).sqrt();
        let length = deviation * ((width * inner) as f64).sqrt();
        let vector = WeightOptions::new().no_decay();
        Ok(Self {
            lengths: scope.weight_with("weight_g", &[1, 1, kernel], Init::Constant(length), &vector)?,
            directions: scope.weight("weight_v", &[width, inner, kernel], Init::Normal(deviation))?,
            bias: scope.weight("bias", &[width], Init::Zeros)?,
            kernel,
            groups,
        })
    }

    /// What is added to rows `[n, d]`, the same shape. Beyond the ends of a sound there is nothing.
    pub(crate) fn apply(&self, x_nd: &Tensor, layout: &Layout) -> Result<Tensor> {
        let directions = self.directions.tensor();
        let kernel = &directions * (self.lengths.tensor() / directions.norm(&[0, 1], true));
        let x_bdt = layout.pad(x_nd, 0.0).transpose(1, 2).contiguous();
        let rows = x_bdt.dim(2)?;
        let options = Conv { padding: self.kernel / 2, groups: self.groups, ..Conv::default() };
        // An even kernel gives a row more than there are.
        let mixed_bdt = x_bdt.conv1d(kernel.contiguous(), Some(&self.bias), options).narrow(2, 0, rows);
        Ok(layout.rows(mixed_bdt.transpose(1, 2).contiguous()).gelu())
    }
}
