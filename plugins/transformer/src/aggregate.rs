//! What leaves a part of a block, in a learned weighted sum with what left all earlier parts.
//!
//! Pagliardini et al. 2024, arXiv:2402.02622, section 3, after every part as in GPT-BERT (Charpentier and Samuel 2024,
//! arXiv:2410.24159, section 3). Axes: p parts so far, n token rows, d width.

use plugin_api::prelude::*;

/// The weights of all sums. Below its scope `K.newest` `[1]`, which starts at 1, and `K.earlier` `[K + 1]`, which start
/// at 0, for part K: the embeddings first, then the parts in turn.
pub(crate) struct Aggregate(Vec<(Weight, Weight)>);

impl Aggregate {
    pub(crate) fn new(parts: usize, scope: &Scope) -> Result<Self> {
        let weights = (0..parts).map(|part| {
            let scope = scope.at(&part.to_string());
            let options = WeightOptions::new().axes("part");
            Ok((
                scope.weight("newest", &[1], Init::Ones)?,
                scope.weight_with("earlier", &[part + 1], Init::Zeros, &options)?,
            ))
        });
        weights.collect::<Result<_>>().map(Self)
    }

    /// The sums of a pass that begins with what leaves the embeddings.
    pub(crate) fn begin(&self, embedded_nd: &Tensor) -> Earlier<'_> {
        Earlier { weights: &self.0, outputs: vec![embedded_nd.clone()] }
    }
}

/// What left the parts so far.
pub(crate) struct Earlier<'a> {
    weights: &'a [(Weight, Weight)],
    outputs: Vec<Tensor>,
}

impl Earlier<'_> {
    /// The sum of the newest `[n, d]` and all before it.
    pub(crate) fn mix(&mut self, newest_nd: Tensor) -> Result<Tensor> {
        let Some((newest, earlier)) = self.weights.get(self.outputs.len() - 1) else { return Ok(newest_nd) };
        let (parts, width) = (self.outputs.len() as i64, newest_nd.dims()?.last().copied().unwrap_or(1) as i64);
        let stacked_px = Tensor::stack(&self.outputs, 0).reshape(&[parts, -1]);
        let sum_nd = earlier.tensor().reshape(&[1, parts]).matmul(&stacked_px).reshape(&[-1, width]);
        let mixed_nd = &newest_nd * newest.tensor() + sum_nd;
        self.outputs.push(newest_nd);
        Ok(mixed_nd)
    }
}
