//! Attention with its probabilities as a result: unfused, through plain operations, on any device.

use philox::{Key, rate_limit};

use super::attention_call::Call;
use super::softmax::softmax;
use crate::layout::{Layout, pad, rows};
use crate::mask::{Mask, Term};
use crate::ops::{add, cast, fill_where, matmul, mul, mul_scalar, narrow, permute, reshape};
use crate::random::row_keys;
use crate::{DType, Device, Result, Tensor, Value};

/// As [`super::attention`], with the probabilities before dropout: `(output [n, h, dv], probabilities [b, h, tq, tk])`, padded
/// with zeros. Both carry gradients. Holds all scores of the padded batch, so it is for when maps are wanted.
///
/// # Errors
/// As [`super::attention`].
#[allow(clippy::too_many_arguments, reason = "those of attention")]
pub fn attention_maps(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    queries: &Layout,
    keys: &Layout,
    mask: &Mask,
    scale: f64,
    dropout: Option<(f64, Key)>,
) -> Result<(Tensor, Tensor)> {
    let Call { sizes, dropout, .. } = Call::checked("attention_maps", (q, k, v), queries, keys, mask, scale, dropout)?;
    let (b, h, tq, tk) = (queries.segments(), sizes.heads, queries.longest(), keys.longest());
    let (hk, group, device) = (sizes.key_heads, sizes.heads / sizes.key_heads, q.device());
    let dtype = if q.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    // [rows, heads, width] to [b, key heads, group * t, width]: heads of a group share a product.
    let by_head = |x: &Tensor, layout: &Layout, group: usize| -> Result<Tensor> {
        let (t, width) = (layout.longest() as i64, x.dims()[2] as i64);
        let wide = reshape(&pad(&cast(x, dtype)?, layout, 0.0)?, &[b as i64, t, hk as i64, group as i64, width])?;
        reshape(&permute(&wide, &[0, 2, 3, 1, 4])?, &[b as i64, hk as i64, group as i64 * t, width])
    };
    let (q_wide, k_wide, v_wide) = (by_head(q, queries, group)?, by_head(k, keys, 1)?, by_head(v, keys, 1)?);
    let full = [b as i64, h as i64, tq as i64, tk as i64];
    let mut scores = reshape(&matmul(&mul_scalar(&q_wide, scale)?, &permute(&k_wide, &[0, 1, 3, 2])?)?, &full)?;
    let (visible, alibi) = mask.written_out(queries, keys, h, device)?;
    if let Some(alibi) = alibi {
        scores = add(&scores, &Tensor::constant(alibi.to_dtype(dtype.candle())?))?;
    }
    for term in mask.terms() {
        if let Term::Bias(bias, dims) = term {
            let bias = narrow(&narrow(&cast(bias, dtype)?, 2, 0, tq.min(dims[2]))?, 3, 0, tk)?;
            scores = add(&scores, &bias)?;
        }
    }
    // Hidden scores are very low, not minus infinity, so that a row of nothing else stays a number; their share is then cut.
    let hidden = Tensor::truth(visible.value().eq(0_u8)?);
    let hidden = Tensor::truth(hidden.value().broadcast_as((b, h, tq, tk))?.contiguous()?);
    let shares =
        Tensor::constant(visible.value().broadcast_as((b, h, tq, tk))?.contiguous()?.to_dtype(dtype.candle())?);
    let probabilities = mul(&softmax(&fill_where(&scores, &hidden, -1e30)?)?, &shares)?;
    let used = match dropout {
        Some((rate, key)) => mul(&probabilities, &factors(rate, key, queries, keys, h, dtype, device)?)?,
        None => probabilities.clone(),
    };
    let grouped = [b as i64, hk as i64, (group * tq) as i64, tk as i64];
    let output = matmul(&reshape(&used, &grouped)?, &v_wide)?;
    let dv = sizes.value_width as i64;
    let output = permute(&reshape(&output, &[b as i64, h as i64, tq as i64, dv])?, &[0, 2, 1, 3])?;
    Ok((cast(&rows(&output, queries)?, q.dtype())?, cast(&probabilities, q.dtype())?))
}

/// 0 or 1 / (1 - rate) for each probability, `[b, h, tq, tk]`; the draws of the fused kernel.
fn factors(
    rate: f64,
    key: Key,
    queries: &Layout,
    keys: &Layout,
    heads: usize,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    let (b, tq, tk) = (queries.segments(), queries.longest(), keys.longest());
    let row_keys = row_keys(key, queries);
    let limit = rate_limit(1.0 - rate);
    let mut all = vec![0.0; b * heads * tq * tk];
    for segment in 0..b {
        for query in 0..queries.length(segment) {
            let row = row_keys[queries.offsets()[segment] + query];
            for head in 0..heads {
                for key in 0..keys.length(segment) {
                    let word = row.words((head as u64) << 32 | (key / 4) as u64)[key % 4];
                    if (word >> 9) < limit {
                        all[((segment * heads + head) * tq + query) * tk + key] = 1.0 / (1.0 - rate);
                    }
                }
            }
        }
    }
    let all = Value::from_vec(all, (b, heads, tq, tk), &Device::Cpu)?.to_dtype(dtype.candle())?;
    Ok(Tensor::constant(all.to_device(device)?))
}
