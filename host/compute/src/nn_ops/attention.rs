//! Scaled dot-product attention over rows, fused: scores exist for one tile of queries at a time.

use std::sync::Arc;

use philox::Key;

use super::attention_call::Call;
use super::attention_kernel::{Saved, backward, forward};
use super::on_device;
use crate::kernel::by_real;
use crate::layout::Layout;
use crate::mask::Mask;
use crate::{Result, Tensor};

/// `softmax(scale · q kᵀ + biases) v` within each segment: `q [n, h, dk]`, `k [m, hk, dk]`, `v [m, hk, dv]`, result `[n, h, dv]`.
///
/// Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1; with `hk < h` (which divides h) query head i reads key head
/// `i / (h / hk)` (grouped queries, Ainslie et al. 2023, arXiv:2305.13245). Segment s of `queries` attends to segment s of `keys`;
/// the two layouts differ in cross attention and in cached generation. A query that sees no key gives zeros.
///
/// `dropout` sets probabilities to 0 at a rate, drawn for (row key and position of the query, head, place of the key): the
/// query's row key `r`, position `p`, head `h`, key `j` use word `j % 4` of block `h·2³² + j / 4` of `key.at(r).at(p)`.
/// The backward pass computes the probabilities again from a saved log-sum-exp per query. Biases of the mask that need a
/// gradient get it, for which the gradients of all scores are held at once.
///
/// # Errors
/// When shapes, layouts or mask do not fit (the error names them), or the dropout rate is outside `0..1`.
#[allow(clippy::too_many_arguments, reason = "the arguments of attention, none optional in meaning")]
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    queries: &Layout,
    keys: &Layout,
    mask: &Mask,
    scale: f64,
    dropout: Option<(f64, Key)>,
) -> Result<Tensor> {
    const NAME: &str = "attention";
    let call = Call::checked(NAME, (q, k, v), queries, keys, mask, scale, dropout)?;
    if on_device::is_other(q.device()) {
        return on_device::attention(q, k, v, queries, keys, mask, scale, dropout);
    }
    let biases = mask.biases();
    let mut inputs = vec![q, k, v];
    inputs.extend(&biases);
    let saved = Saved { q: q.value().clone(), k: k.value().clone(), v: v.value().clone() };
    by_real!(q.value().dtype(), T => {
        let (output, lse) = forward::<T>(&call, &saved)?;
        let (lse, kept) = (Arc::new(lse), output.clone());
        Ok(Tensor::from_op(NAME, output, &inputs, move |gradient, needs| backward::<T>(&call, &saved, &kept, &lse, gradient, needs)))
    })
}
