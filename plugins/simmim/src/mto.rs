//! Masked token optimisation: a mask token that is like no patch, so that fewer steps do.
//!
//! Choi et al. 2024, arXiv:2404.08330, in our reading of it: its parts are the paper's, the formulas a reconstruction. Axes: b pictures,
//! t rows of a picture, l patches, d width.

use plugin_api::prelude::*;

use crate::SimmimSettings;

/// Stands for "not at all" in scores.
const NEVER: f64 = -1e9;

/// What is asked of mask tokens; of a picture as many patches are hidden as of any other.
pub(crate) struct Mto {
    sparsity: f64,
    entropy: f64,
    approach: f64,
    /// Layers, from the first, in which hidden patches count less as keys.
    damped: usize,
    temperature: f64,
    report: bool,
    layers: usize,
    class_rows: usize,
    patches: usize,
    hidden: usize,
}

/// What hidden patches have to do with visible ones where they enter a layer.
struct Affinity {
    /// The mean |cosine| `[b]`.
    mean_b: Tensor,
    /// 1 where a hidden patch is as near to one visible patch as to any other, near 0 where it is near to one alone `[b]`.
    heterogeneity_b: Tensor,
}

impl Mto {
    /// Of `hidden` of `patches`; `None` where the settings ask for nothing.
    pub(crate) fn new(
        settings: &SimmimSettings,
        layers: usize,
        class_rows: usize,
        [hidden, patches]: [usize; 2],
    ) -> Result<Option<Self>> {
        let SimmimSettings { mto_sparsity, mto_entropy, mto_approach, mto_layers, mto_temperature, mto_report, .. } =
            *settings;
        if [mto_sparsity, mto_entropy, mto_approach] == [0.0; 3] && mto_layers == 0 && !mto_report {
            return Ok(None);
        }
        if mto_layers > layers {
            let fact = format!("is {mto_layers}, and the encoder has {layers} layers");
            return Err(Error::setting("mto_layers", fact).help("choose at most as many"));
        }
        if patches < hidden + 2 {
            let fact = format!("leaves {} of {patches} patches visible", patches - hidden);
            return Err(Error::setting("mask_rate", fact).help("lower it: mask tokens are compared with two at least"));
        }
        Ok(Some(Self {
            sparsity: mto_sparsity,
            entropy: mto_entropy,
            approach: mto_approach,
            damped: mto_layers,
            temperature: mto_temperature,
            report: mto_report,
            layers,
            class_rows,
            patches,
            hidden,
        }))
    }

    /// The hidden rows `[n, d]` of the encoder, and `loss` with what is asked of mask tokens.
    pub(crate) fn encode(
        &self,
        encoder: &Model,
        layout: &Layout,
        pixels_bchw: &Tensor,
        masked_m: &Tensor,
    ) -> Result<(Tensor, Loss)> {
        let masked_bl = masked_m.reshape(&[-1, self.patches as i64]);
        let reports = self.report && !training();
        let pass = encoder.pass(layout).workflow("image").input("pixels", pixels_bchw).input("masked", masked_m);
        let mut x_nd = pass.layers(0..0).run()?.hidden().clone();
        let mut loss = Loss::new();
        for at in 0..self.layers {
            let looks = at < self.damped || reports || at == 0 && self.sparsity + self.entropy > 0.0;
            let affinity = looks.then(|| self.affinity(&x_nd, &masked_bl)).transpose()?;
            if let Some(Affinity { mean_b, heterogeneity_b }) = affinity.as_ref().filter(|_| at == 0) {
                loss = asked(loss, "sparsity", self.sparsity, mean_b);
                loss = asked(loss, "entropy", self.entropy, &(1.0 - heterogeneity_b));
            }
            if let Some(affinity) = affinity.as_ref().filter(|_| reports) {
                loss = loss.metric(&format!("heterogeneity_{at}"), &affinity.heterogeneity_b);
            }
            let pass = encoder.pass(layout).workflow("image").hidden(&x_nd).layers(at..at + 1);
            let bias = affinity.filter(|_| at < self.damped).map(|affinity| self.bias(&affinity.mean_b, &masked_bl));
            let pass = bias.iter().fold(pass, |pass, bias| pass.mask(bias));
            x_nd = pass.run()?.hidden().clone();
        }
        if self.approach > 0.0 {
            loss = asked(loss, "approach", self.approach, &self.apart(&x_nd, masked_m)?);
        }
        Ok((x_nd, loss))
    }

    /// The rows of patches `[b, l, d]` in single precision.
    fn patch_rows(&self, x_nd: &Tensor) -> Result<Tensor> {
        let (rows, width) = ((self.class_rows + self.patches) as i64, x_nd.dim(-1)? as i64);
        let x_btd = x_nd.reshape(&[-1, rows, width]).narrow(1, self.class_rows, self.patches);
        Ok(x_btd.cast(DType::F32))
    }

    fn affinity(&self, x_nd: &Tensor, masked_bl: &Tensor) -> Result<Affinity> {
        let patches_bld = self.patch_rows(x_nd)?.normalized(1e-6);
        let cosines_bll = patches_bld.matmul(patches_bld.transpose(-1, -2));
        let rows_bl1 = masked_bl.unsqueeze(-1);
        let visible_b1l = (!masked_bl).unsqueeze(1);
        let (hidden, visible) = (self.hidden as f64, (self.patches - self.hidden) as f64);
        let between_bll = &rows_bl1 & &visible_b1l;
        let magnitudes_bll = cosines_bll.abs().fill_where(!&between_bll, 0.0);
        let mean_b = magnitudes_bll.sum_axes(&[1, 2], false) / (hidden * visible);
        let log_bll = (&cosines_bll / self.temperature).fill_where(!&visible_b1l, NEVER).log_softmax();
        let entropy_bl = -(log_bll.exp() * &log_bll).fill_where(!&visible_b1l, 0.0).sum_axes(&[-1], false);
        let of_hidden_bl = entropy_bl.fill_where(!masked_bl, 0.0);
        let heterogeneity_b = of_hidden_bl.sum_axes(&[-1], false) / (hidden * visible.ln());
        Ok(Affinity { mean_b, heterogeneity_b })
    }

    /// ln w for hidden patches as keys, w = exp(−mean affinity / temperature), without gradient.
    fn bias(&self, mean_b: &Tensor, masked_bl: &Tensor) -> Mask {
        let log_b11 = (mean_b.stop_gradient() / -self.temperature).unsqueeze(-1);
        let keys_bl = masked_bl.cast(DType::F32) * log_b11;
        let keys_bt = keys_bl.pad(1, self.class_rows, 0, 0.0);
        let rows = self.class_rows + self.patches;
        // Every row sees the same keys.
        Mask::bias(&keys_bt.unsqueeze(1).unsqueeze(1).repeat(&[1, 1, rows, 1]))
    }

    /// How far mean and deviation of the features of hidden patches are from those of visible ones, which do not move `[b]`.
    fn apart(&self, x_nd: &Tensor, masked_m: &Tensor) -> Result<Tensor> {
        let patches_md = self.patch_rows(x_nd)?.reshape(&[-1, x_nd.dim(-1)? as i64]);
        let width = x_nd.dim(-1)? as i64;
        let of = |chosen_m: &Tensor, each: usize| {
            let rows_bkd = patches_md.masked_select(chosen_m).reshape(&[-1, each as i64, width]);
            (rows_bkd.mean_axes(&[1], false), (rows_bkd.variance(&[1], false, false) + 1e-6).sqrt())
        };
        let (mean_bd, deviation_bd) = of(masked_m, self.hidden);
        let (visible_mean_bd, visible_deviation_bd) = of(&!masked_m, self.patches - self.hidden);
        let gap = |own: Tensor, other: Tensor| (own - other.stop_gradient()).square().mean_axes(&[-1], false);
        Ok(gap(mean_bd, visible_mean_bd) + gap(deviation_bd, visible_deviation_bd))
    }
}

/// The loss with a part that is asked for.
fn asked(loss: Loss, name: &str, weight: f64, values_b: &Tensor) -> Loss {
    if weight > 0.0 { loss.and(name, weight, values_b) } else { loss }
}
