//! A codebook: the nearest vector of each row, and how the vectors follow the rows.
//!
//! van den Oord et al. 2017, arXiv:1711.00937, section 3.2 and appendix A.1.

use plugin_api::prelude::*;

/// Added to counts, so that no code divides by nothing.
const EPSILON: f64 = 1e-5;

/// Vectors `[v, n]` by code.
pub(crate) enum Codebook {
    /// Averages of the rows that chose each: `counts` `[v]`, `sums` `[v, n]`.
    Average { counts: Buffer, sums: Buffer, decay: f64, revive_below: f64 },
    /// Weights `[v, n]`.
    Learned(Weight),
}

impl Codebook {
    /// The vectors `[v, n]`.
    pub(crate) fn vectors(&self) -> Result<Tensor> {
        Ok(match self {
            Self::Learned(weight) => weight.tensor(),
            Self::Average { counts, sums, .. } => {
                let counts_v = counts.tensor();
                let (all, codes) = (counts_v.sum(), counts.dims()?[0] as f64);
                // Laplace smoothing, which leaves the sum of the counts as it is.
                let smoothed_v = (&counts_v + EPSILON) / (&all + codes * EPSILON) * all;
                sums.tensor() / smoothed_v.unsqueeze(-1)
            }
        })
    }

    /// The codes `[m]` of rows `[m, n]`: the numbers of the nearest vectors, of equally near ones the first.
    pub(crate) fn codes(rows_mn: &Tensor, vectors_vn: &Tensor) -> Tensor {
        let products_mv = rows_mn.linear(vectors_vn, None, None);
        // ‖z‖² is the same for all vectors.
        let distances_mv = vectors_vn.square().sum_axes(&[-1], false).unsqueeze(0) - products_mv * 2.0;
        distances_mv.argmin(-1)
    }

    /// Lets averages follow rows `[m, n]` that chose `codes_m`, after the step. A code whose count falls below the bound begins
    /// anew at one of these rows.
    pub(crate) fn follow(&self, rows_mn: &Tensor, codes_m: &Tensor) -> Result<()> {
        let Self::Average { counts, sums, decay, revive_below } = self else { return Ok(()) };
        let (codes, rows) = (counts.dims()?[0], rows_mn.dims()?[0]);
        if rows == 0 {
            return Ok(());
        }
        let rows_mn = rows_mn.stop_gradient().cast(DType::F32);
        let chosen_mv = codes_m.one_hot(codes);
        let count_v = chosen_mv.sum_axes(&[0], false);
        let sum_vn = chosen_mv.transpose(0, 1).matmul(&rows_mn);
        let mut counts_v = counts.tensor() * *decay + count_v * (1.0 - decay);
        let mut sums_vn = sums.tensor() * *decay + sum_vn * (1.0 - decay);
        if *revive_below > 0.0 {
            let dead_v = counts_v.lt(*revive_below);
            let places_v = random::integers_below(&[codes], rows as u32, "codes");
            sums_vn = sums_vn.take_where(dead_v.unsqueeze(-1), rows_mn.index_select(0, places_v));
            counts_v = counts_v.fill_where(dead_v, 1.0);
        }
        counts.set_mean(&counts_v)?;
        sums.set_mean(&sums_vn)
    }
}
