//! Scaled dot-product attention over rows, fused: scores exist for one tile of queries at a time.

use std::sync::Arc;

use philox::Key;

use super::attention_kernel::{Call, Saved, Sizes, backward, forward};
use super::attention_maps::attention_maps;
use super::kernel::by_dtype;
use crate::layout::Layout;
use crate::mask::Mask;
use crate::{Error, Result, Tensor};

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
    let sizes = sizes(NAME, (q, k, v), queries, keys, mask, dropout)?;
    if !q.device().is_cpu() {
        return Ok(attention_maps(q, k, v, queries, keys, mask, scale, dropout)?.0);
    }
    let biases = mask.biases();
    let mut inputs = vec![q, k, v];
    inputs.extend(&biases);
    let call = Call {
        queries: queries.clone(),
        keys: keys.clone(),
        // Without their gradients: the closure below may hold values only.
        mask: mask.stop_gradient(),
        scale,
        dropout: dropout.filter(|(rate, _)| *rate > 0.0),
        sizes,
    };
    let saved = Saved { q: q.value().clone(), k: k.value().clone(), v: v.value().clone() };
    by_dtype!(q.value().dtype(), T => {
        let (output, lse) = forward::<T>(&call, &saved)?;
        let (lse, kept) = (Arc::new(lse), output.clone());
        Ok(Tensor::from_op(NAME, output, &inputs, move |gradient, needs| backward::<T>(&call, &saved, &kept, &lse, gradient, needs)))
    })
}

/// Heads and widths, once everything fits.
pub(super) fn sizes(
    name: &'static str,
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    queries: &Layout,
    keys: &Layout,
    mask: &Mask,
    dropout: Option<(f64, Key)>,
) -> Result<Sizes> {
    for tensor in [q, k, v] {
        crate::tape::require_float(name, tensor)?;
        if tensor.dtype() != q.dtype() {
            return Err(
                Error::dtype(name, tensor.dtype()).with_help(format!("q is {}; q, k and v have one dtype", q.dtype()))
            );
        }
    }
    let fault = |help: &str| {
        let fact = format!("q {:?}, k {:?} and v {:?} do not go together", q.dims(), k.dims(), v.dims());
        Err(Error::shape(name, fact).with_help(help.to_owned()))
    };
    let (&[n, heads, width], &[m, key_heads, key_width], &[values_m, value_heads, value_width]) =
        (q.dims(), k.dims(), v.dims())
    else {
        return fault("each is [rows, heads, features]");
    };
    if key_width != width || m != values_m || key_heads != value_heads {
        return fault("q and k have the same features per head, k and v the same rows and heads");
    }
    if key_heads == 0 || heads % key_heads != 0 {
        return fault("the heads of k and v divide those of q");
    }
    if n != queries.tokens() || m != keys.tokens() {
        let fact = format!(
            "q {:?} and k {:?} meet layouts of {} and {} rows",
            q.dims(),
            k.dims(),
            queries.tokens(),
            keys.tokens()
        );
        return Err(Error::shape(name, fact).with_help("pass the layouts that the rows of q and of k belong to"));
    }
    if let Some((rate, _)) = dropout
        && !(0.0..1.0).contains(&rate)
    {
        return Err(Error::argument(name, format!("dropout rate {rate} is outside 0 (included) to 1 (excluded)")));
    }
    mask.check(queries, keys, heads)?;
    Ok(Sizes { heads, key_heads, width, value_width })
}
